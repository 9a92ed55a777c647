// The walk over the stages.
#include "quant/stages/quantize_stages.h"

#include <fmt/format.h>

#include <map>

#include "quant/rescaling/rescale_block.h"
#include "quant/stages/stage_inputs.h"
#include "quant/stages/work_identity.h"

namespace farthing {
namespace {

bool rescales(const QuantizeOptions& options, const ModelConfig& config, int64_t stage) {
  return options.rescaling != nullptr && !is_head(config, stage);
}

SeeOptions what_of(const QuantizeOptions& options, const LinearStep& step, bool tables) {
  SeeOptions out;
  for (const LinearGroup& group : step)
    for (const LinearSpec& spec : group.linears)
      if (const auto choice = choice_for(options, spec, tables)) {
        out.gram = out.gram || choice->method->needs == AlgorithmNeeds::gram;
        out.histogram = out.histogram || (is_static(choice->scheme.activations) &&
                                          options.range.method != RangeMethod::absmax);
      }
  return out;
}

// With the block's weights as they are, and what they get behind the quantized blocks before.
Result<BlockRescaling> rescale(Context& context, const ModelConfig& config, int64_t index,
                               WeightSource& from, const QuantizeOptions& options,
                               const Windows& windows, const HiddenStates& hidden,
                               const PassProgress& progress) {
  progress.next_pass();
  const auto stage = TRY(build_stage(context, config, index, from));
  LinearStep all;
  for (LinearStep& step : steps_of_stage(config, index))
    for (LinearGroup& group : step) all.push_back(std::move(group));
  const bool gram = options.rescaling->needs == AlgorithmNeeds::gram;
  const auto seen = TRY(see_inputs(context, *stage, all, {.gram = gram, .end = PassEnd::block},
                                   windows, hidden, config.hidden_size, progress.window));
  BlockInputs inputs;
  for (size_t g = 0; g < all.size(); ++g)
    for (const LinearSpec& spec : all[g].linears) inputs[spec.name] = &seen[g];
  progress.doing(fmt::format("{}, channels", stage_name(config, index)));
  return rescale_block(context, config, index, from, options, inputs);
}

class Stages {
 public:
  Stages(Context& context, const ModelConfig& config, WeightSource& from,
         const QuantizeOptions& options, const Windows& windows, Progress& progress)
      : context_(context),
        from_(from),
        config_(config),
        options_(options),
        windows_(windows),
        hidden_(config_.hidden_size),
        tables_(context, from, options, {.tokens = windows.count() * windows.context()}),
        progress_(progress),
        end_(end_of(config, options)) {
    for (int64_t stage = 1; stage < end(); ++stage) total_ += work_of(stage);
  }

  // Behind the last stage that has anything to quantize.
  static int64_t end_of(const ModelConfig& config, const QuantizeOptions& options) {
    int64_t out = 1;
    for (int64_t stage = 1; stage < stage_count(config); ++stage)
      for (const LinearStep& step : steps_of_stage(config, stage))
        if (chooses_any(options, step, is_head(config, stage))) out = stage + 1;
    return out;
  }

  Result<> run(WorkFolder& work) {
    if (work.done() < 0) {
      // A table that is the head too is quantized there, when the head's inputs are known.
      WeightSource& tables = config_.tied_embeddings() ? from_ : tables_;
      const auto stage = TRY(build_stage(context_, config_, 0, tables));
      TRY(write_hidden(context_, *stage, windows_, nullptr, hidden_, work.hidden(0),
                       [](int64_t) {}));
      TRY(work.finish_stage(0, {}));
    }
    for (int64_t stage = 1; stage <= work.done(); ++stage) done_ += work_of(stage);
    for (int64_t stage = work.done() + 1; stage < end(); ++stage) TRY(run_stage(work, stage));
    return {};
  }

 private:
  int64_t end() const { return end_; }
  // In passes over the text.
  double work_of(int64_t stage) const {
    return (rescales(options_, config_, stage) ? 2 : 1) +
           static_cast<double>(steps_of_stage(config_, stage).size());
  }

  Result<> run_stage(WorkFolder& work, int64_t index) {
    const auto from = TRY(
        HiddenStates::open(work.hidden(index - 1), windows_.count() * windows_.context(), hidden_));
    const PassProgress progress{
        [&] { done_ += 1; },
        [&](const std::string& what) { progress_.update(done_, total_, what); },
        each_window(index)};
    const bool is_read = index + 1 < end();  // nothing reads what the last one gives
    std::optional<LastStepInputs> kept =
        is_read ? TRY(LastStepInputs::create(config_, index, work.hidden(index).parent_path()))
                : std::nullopt;
    LastStepInputs* const keep = kept ? &*kept : nullptr;
    auto [stage, result] = TRY(
        quantize_stage(context_, config_, index, from_, options_, windows_, from, progress, keep));
    done_ += 1;
    if (is_read)
      TRY(write_output(context_, *stage, steps_of_stage(config_, index), keep, windows_, from,
                       hidden_, work.hidden(index), each_window(index)));
    return work.finish_stage(index, result);
  }

  EachWindow each_window(int64_t stage) {
    return [this, stage](int64_t window) {
      const double share = static_cast<double>(window) / static_cast<double>(windows_.count());
      progress_.update(done_ - 1 + share, total_,
                       fmt::format("{}, window {} of {}", stage_name(config_, stage), window + 1,
                                   windows_.count()));
    };
  }

  Context& context_;
  WeightSource& from_;
  const ModelConfig& config_;
  const QuantizeOptions& options_;
  const Windows& windows_;
  int64_t hidden_;
  QuantizingSource tables_;
  Progress& progress_;
  int64_t end_;
  double done_ = 0, total_ = 0;
};

}  // namespace

bool chooses_any(const QuantizeOptions& options, const LinearStep& step, bool tables) {
  for (const LinearGroup& group : step)
    for (const LinearSpec& spec : group.linears)
      if (choice_for(options, spec, tables)) return true;
  return false;
}

Result<QuantizedStage> quantize_stage(Context& context, const ModelConfig& config, int64_t index,
                                      WeightSource& from, const QuantizeOptions& options,
                                      const Windows& windows, const HiddenStates& hidden,
                                      const PassProgress& progress, LastStepInputs* keep) {
  const bool head = is_head(config, index);
  BlockRescaling rescaling;
  if (rescales(options, config, index))
    rescaling = TRY(rescale(context, config, index, from, options, windows, hidden, progress));
  RescaledSource weights(from, rescaling.factors);
  QuantizedStage out{TRY(build_stage(context, config, index, weights)), {}};
  std::map<std::string, LinearWeight*> slots;
  for (const auto& [name, slot] : out.stage->weights().linears) slots[name] = slot;
  std::vector<QuantizedLinear>& done = out.result.linears;
  const std::vector<LinearStep> steps = steps_of_stage(config, index);
  for (const LinearStep& step : steps) {
    progress.next_pass();
    if (!chooses_any(options, step, head)) continue;
    SeeOptions what = what_of(options, step, head);
    if (&step == &steps.back()) what.keep = keep;
    const auto inputs = TRY(see_inputs(context, *out.stage, step, what, windows, hidden,
                                       config.hidden_size, progress.window));
    for (size_t g = 0; g < step.size(); ++g) {
      for (const LinearSpec& spec : step[g].linears) {
        const auto choice = choice_for(options, spec, head);
        if (!choice) continue;
        progress.doing(spec.name);
        const StoredLinear weight = TRY(head ? weights.table(spec) : weights.linear(spec));
        done.push_back(TRY(quantize_linear(context, spec, weight, *choice, options, &inputs[g])));
        if (const auto found = rescaling.strengths.find(spec.name);
            found != rescaling.strengths.end())
          done.back().report.rescaled = found->second;
        if (head) continue;  // nothing reads its outputs
        const StoredLinear& stored = done.back().stored;
        PackedWeight& packed = slots.at(spec.name)->packed;
        packed = {};  // its memory first
        packed = ops::pack_weight_decoded(context, stored.weight, stored.rounding());
      }
    }
  }
  out.result.factors = std::move(rescaling.factors);
  return out;
}

Result<StagesRun> quantize_stages(Context& context, Checkpoint& from, WeightSource& weights,
                                  const QuantizeOptions& options,
                                  const CalibrationOptions& calibration,
                                  const std::filesystem::path& work, bool resume,
                                  Progress& progress) {
  const double started = now_seconds();
  const CalibrationWindows read = TRY(calibration_windows(from, calibration));
  const ModelConfig& config = from.config();
  auto folder = TRY(WorkFolder::open(work, work_identity(from, options, read), resume));

  Workspace workspace;  // given back at the end
  Context own{context.pool, context.isa, workspace};
  TRY(Stages(own, config, weights, options, read.windows, progress).run(folder));
  StagesRun out{.linears = {},
                .factors = {},
                .text = read.text.name,
                .text_digest = read.text.digest,
                .tokens = read.windows.count() * read.windows.context(),
                .seconds = now_seconds() - started};
  for (int64_t stage = 1; stage < Stages::end_of(config, options); ++stage) {
    StageResult result = TRY(folder.read_stage(stage));
    out.factors.join(result.factors);
    for (QuantizedLinear& linear : result.linears) {
      const std::string name = linear.report.name;
      out.linears.emplace(name, std::move(linear));
    }
  }
  return out;
}

}  // namespace farthing
