// What every linear gets, seen by a probe while windows of text run through one stage after the
// other.
#include "eval/calibration/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/rehearsal.h"
#include "base/scratch_file.h"
#include "model/stages/stages.h"

namespace farthing {
namespace {

// The checkpoint without rounded activations.
class UnroundedSource : public WeightSource {
 public:
  explicit UnroundedSource(WeightSource& base) : base_(base) {}
  Result<StoredLinear> linear(const LinearSpec& spec) override {
    return unrounded(TRY(base_.linear(spec)));
  }
  Result<StoredLinear> table(const LinearSpec& spec) override {
    return unrounded(TRY(base_.table(spec)));
  }
  Result<Tensor> vector(const VectorSpec& spec) override { return base_.vector(spec); }
  void use_pool(ThreadPool* pool) override { base_.use_pool(pool); }

 private:
  static StoredLinear unrounded(StoredLinear linear) {
    linear.activations = Activations::f32;
    linear.input = {};
    return linear;
  }
  WeightSource& base_;
};

// Adds what a stage's linears get.
class InputProbe : public Probe {
 public:
  // `ends`: nothing behind the linears is wanted.
  InputProbe(ModelStage& stage, std::map<std::string, SeenInput>& inputs, bool with_histograms,
             bool ends)
      : with_histograms_(with_histograms), ends_(ends) {
    for (const auto& [name, slot] : stage.weights().linears) seen_[slot] = &inputs[name];
  }
  void see(const OperatorOutput&) override {}
  PassStep before_linears(std::span<const LinearWeight* const> weights,
                          View<float, 2> input) override {
    for (const LinearWeight* weight : weights) {
      if (!few_.empty() && !few_.contains(weight)) continue;
      rows_[weight] += input.rows;
      if (rehearsing()) continue;
      SeenInput& seen = *seen_.at(weight);
      seen.add(input, with_histograms_);
      seen.add_columns(input);
    }
    return ends_ ? PassStep::end : PassStep::run;
  }
  bool sends_every_row(std::span<const LinearWeight* const> expert) override {
    return std::any_of(expert.begin(), expert.end(),
                       [&](const LinearWeight* weight) { return few_.contains(weight); });
  }
  // Whether there are experts that fewer tokens reached than their input has elements; from now on
  // these count alone, and are sent every token.
  bool begin_again_with_few(int64_t tokens) {
    for (const auto& [weight, seen] : seen_)
      if (reached_by_few(rows_[weight], weight->packed.k(), tokens)) few_.insert(weight);
    for (const LinearWeight* weight : few_) *seen_.at(weight) = {};
    return !few_.empty();
  }

 private:
  std::map<const LinearWeight*, SeenInput*> seen_;
  std::map<const LinearWeight*, int64_t> rows_;
  std::set<const LinearWeight*> few_;  // empty: all count
  bool with_histograms_, ends_;
};

// Every stage over all windows, one stage in memory at a time.
class InputStages {
 public:
  InputStages(Context& context, Checkpoint& from, const Windows& windows, Calibration& to,
              Progress& progress)
      : context_(context),
        config_(from.config()),
        source_(from),
        windows_(windows),
        to_(to),
        progress_(progress),
        window_bytes_(static_cast<uint64_t>(windows.context() * config_.hidden_size) *
                      sizeof(float)) {}

  // Hidden states lie in files without names on the file system of `scratch`.
  Result<> run(const std::filesystem::path& scratch) {
    auto even = TRY(ScratchFile::create(scratch));  // what stages of even numbers give
    auto odd = TRY(ScratchFile::create(scratch));
    for (int64_t index = 0; index < stage_count(config_); ++index)
      TRY(index % 2 == 0 ? run_stage(index, odd, even) : run_stage(index, even, odd));
    return {};
  }

 private:
  Result<> run_stage(int64_t index, const ScratchFile& from, ScratchFile& to) {
    const bool head = is_head(config_, index);
    // What is not run need not be packed.
    const PackTime time = head ? PackTime::later : PackTime::loading;
    const auto stage = TRY(build_stage(context_, config_, index, source_, time));
    InputProbe probe(*stage, to_.inputs, to_.range.method != RangeMethod::absmax, head);
    Workspace workspace;  // given back before the next stage is built
    Context own{context_.pool, context_.isa, workspace};
    const ProbeGuard guard(own, probe);
    Tensor rows(DType::f32, {windows_.context(), config_.hidden_size});
    const auto floats = static_cast<size_t>(rows.shape().elements());
    const auto read_text = [&](const char* what, ScratchFile* gives) -> Result<> {
      for (int64_t w = 0; w < windows_.count(); ++w) {
        show(index, w, what);
        const uint64_t at = static_cast<uint64_t>(w) * window_bytes_;
        if (index > 0 && !rehearsing())
          TRY(from.read(at, std::as_writable_bytes(std::span(rows.as<float>(), floats))));
        probe.begin();
        stage->run(own, {.tokens = windows_[w], .hidden = rows.view<float>()});
        if (gives != nullptr && !rehearsing()) TRY(gives->write(at, std::as_const(rows).span()));
      }
      return {};
    };
    TRY(read_text("calibrating", head ? nullptr : &to));
    if (probe.begin_again_with_few(windows_.count() * windows_.context()))
      TRY(read_text("calibrating experts of few tokens", nullptr));
    for (const auto& [name, slot] : stage->weights().linears)
      if (!to_.inputs.at(name).finite) return fail(not_finite(name));
    return {};
  }

  void show(int64_t index, int64_t window, const char* what) {
    const double share = static_cast<double>(window) / static_cast<double>(windows_.count());
    progress_.update(static_cast<double>(index) + share, static_cast<double>(stage_count(config_)),
                     fmt::format("{}, {}, window {} of {}", what, stage_name(config_, index),
                                 window + 1, windows_.count()));
  }

  static Error not_finite(const std::string& linear) {
    return {.what = "a linear's input is not finite while the model reads the calibration text",
            .where = linear,
            .got = "NaN or infinity",
            .wanted = "finite activations",
            .remedy = "the checkpoint is damaged, or needs more range than f32"};
  }

  Context& context_;
  const ModelConfig& config_;
  UnroundedSource source_;
  const Windows& windows_;
  Calibration& to_;
  Progress& progress_;
  uint64_t window_bytes_;  // of hidden states
};

}  // namespace

Result<StaticInput> Calibration::input_of(const std::string& linear,
                                          Activations activations) const {
  const auto found = inputs.find(linear);
  if (found != inputs.end())
    return chosen_input(found->second, found->second.largest, activations, range);
  return fail({.what = "the calibration has not seen a linear's input",
               .where = linear,
               .got = "no such linear",
               .wanted = "a calibration of this model",
               .remedy = "calibrate with the model that is quantized"});
}

Result<CalibrationWindows> calibration_windows(const Checkpoint& from,
                                               const CalibrationOptions& options) {
  EvaluationText text = options.text ? TRY(load_text(options.text)) : built_in_calibration_text();
  const ModelConfig& config = from.config();
  const int64_t length = std::min(options.context, config.max_positions);
  Windows windows = TRY(Windows::of_text(TRY(from.tokenizer()), text,
                                         {.tokens = options.samples * length, .context = length},
                                         config.vocabulary_size));
  return CalibrationWindows{{{}, std::move(text.name), std::move(text.digest)}, std::move(windows)};
}

Result<std::shared_ptr<const Calibration>> calibrate(Context& context, Checkpoint& from,
                                                     const CalibrationOptions& options,
                                                     Progress& progress) {
  return calibrate(context, from, TRY(calibration_windows(from, options)), options, progress);
}

Result<std::shared_ptr<const Calibration>> calibrate(Context& context, Checkpoint& from,
                                                     const CalibrationWindows& read,
                                                     const CalibrationOptions& options,
                                                     Progress& progress) {
  const Windows& windows = read.windows;
  auto out = std::make_shared<Calibration>();
  out->text = read.text.name;
  out->text_digest = read.text.digest;
  out->range = options.range;
  out->tokens = windows.count() * windows.context();
  const std::filesystem::path scratch =
      options.scratch.empty() ? std::filesystem::temp_directory_path() : options.scratch;
  TRY(InputStages(context, from, windows, *out, progress).run(scratch));
  return out;
}

Scheme scheme_of_table(const Scheme& scheme, const std::string& name,
                       const Calibration* calibration) {
  const bool no_input =
      calibration != nullptr && calibration->inputs.find(name) == calibration->inputs.end();
  if (!is_static(scheme.activations) || !no_input) return scheme;
  return {scheme.weights, Activations::f32};
}

}  // namespace farthing
