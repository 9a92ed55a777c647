// Rehearsals of stages and of writing, and sums of bytes.
#include "advise/quantizing_plan.h"

#include <algorithm>
#include <set>

#include "advise/hole.h"
#include "advise/known_inputs.h"
#include "advise/layer_groups.h"
#include "advise/serving_plan.h"
#include "base/rehearsal.h"
#include "quant/quantize.h"
#include "quant/rotation/rotated_checkpoint.h"
#include "quant/stages/quantize_stages.h"

namespace farthing {
namespace {

constexpr int64_t float_bytes = static_cast<int64_t>(sizeof(float));

// Whether a stage, the head's, quantizes the table.
bool is_staged_table(const ModelConfig& config, const LinearSpec& spec) {
  const LinearPlan& head = config.tied_embeddings() ? config.plan.embedding : config.plan.head;
  return spec.name == spec_of(head).name;
}

// What decides how much a stage takes: the shapes of its linears, and what becomes of them.
std::string kind_of_stage(const ModelConfig& config, int64_t stage,
                          const QuantizeOptions& options) {
  std::string out;
  for (const LinearStep& step : steps_of_stage(config, stage))
    for (const LinearGroup& group : step)
      for (const LinearSpec& spec : group.linears) {
        out += std::to_string(spec.n) + "x" + std::to_string(spec.k);
        if (const auto choice = choice_for(options, spec, is_head(config, stage)))
          out += full_name(choice->scheme) + std::string(choice->method->name);
        out += group.values ? "v;" : ";";
      }
  return out;
}

Result<> rehearse_stages(Context& context, Checkpoint& from, const QuantizeOptions& options,
                         int64_t length) {
  const ModelConfig& config = from.config();
  const std::vector<int32_t> tokens(static_cast<size_t>(length), 0);
  const Windows one =
      TRY(Windows::cut(tokens, {.tokens = length, .context = length}, "a plan's text"));
  const Hole hole = TRY(Hole::make(length * config.hidden_size * float_bytes));
  const auto hidden = TRY(HiddenStates::open(hole.path(), length, config.hidden_size));
  const PassProgress quiet{[] {}, [](const std::string&) {}, [](int64_t) {}};
  std::set<std::string> kinds;
  for (int64_t stage = 1; stage < stage_count(config); ++stage) {
    const bool head = is_head(config, stage);
    if (head && !chooses_any(options, steps_of_stage(config, stage).front(), true)) continue;
    if (!kinds.insert(kind_of_stage(config, stage, options)).second) continue;
    const QuantizedStage done =
        TRY(quantize_stage(context, config, stage, from, options, one, hidden, quiet));
    if (head) continue;  // nothing reads its outputs
    Tensor rows(DType::f32, {length, config.hidden_size});
    hidden.copy_rows(context, 0, rows.view<float>());
    done.stage->run(context, {.tokens = one[0], .hidden = rows.view<float>()});
  }
  return {};
}

// What a calibration that reads a text with the model of `source`, stage by stage, takes at its
// highest moment.
Result<int64_t> rehearse_reading(Context& context, const ModelConfig& config, WeightSource& source,
                                 const QuantizeOptions& options, int64_t length) {
  const std::vector<int32_t> tokens(static_cast<size_t>(length), 0);
  std::set<std::string> kinds;
  const int64_t before = memory_use().now_bytes;
  int64_t most = 0;
  const auto take_peak = [&] {
    most = std::max(most, memory_use().peak_bytes - before);
    reset_peak_memory();
  };
  reset_peak_memory();
  for (int64_t stage = 1; !is_head(config, stage); ++stage) {
    if (!kinds.insert(kind_of_stage(config, stage, options)).second) continue;
    const auto built = TRY(build_stage(context, config, stage, source));
    take_peak();
    Workspace workspace;
    Context own{context.pool, context.isa, workspace};
    Tensor rows(DType::f32, {length, config.hidden_size});
    const StageRows window{.tokens = tokens, .hidden = rows.view<float>()};
    built->run(own, window);
    // Now the workspace is one block, as large as what is touched: gaps in the first ones are not.
    reset_peak_memory();
    built->run(own, window);
    take_peak();
  }
  return most;
}

// A tokenizer's memory is the allocator's, and much of it stays there when it is gone. Returns what
// this process takes while there is one, or 0 where the model comes without.
int64_t bytes_with_tokenizer(const Checkpoint& from) {
  const auto tokenizer = from.tokenizer();
  return tokenizer ? anonymous_bytes() : 0;
}

// Floats that a stage keeps of a token for its last step (quant/stages/last_step.h), at most.
int64_t most_kept(const ModelConfig& config) {
  int64_t most = 0;
  for (int64_t stage = 1; stage + 1 < stage_count(config); ++stage) {
    const StagePlace place = place_of_stage(config, stage);
    if (place.attention == place.mlp) continue;
    int64_t floats = steps_of_stage(config, stage).back().front().linears.front().k;
    if (const ExpertsPlan& plan = place.block->experts; place.mlp && !plan.experts.empty()) {
      floats *= plan.routing.chosen;
      if (!plan.shared.inputs.empty()) floats += plan.shared.down.k;
    }
    most = std::max(most, floats);
  }
  return most;
}

// What a file holds of a linear, its input's parameters too.
int64_t stored_bytes(const LinearSpec& spec, const Scheme& scheme) {
  int64_t sum = stored_bytes(*scheme.weights, spec.n, spec.k);
  for (const PlaneSpec& plane : input_planes(scheme.activations, 0))
    sum += plane.shape.elements() * dtype_bytes(plane.dtype);
  return sum;
}

// Files beside the weights that the directory gets too.
int64_t companion_bytes(const std::filesystem::path& model) {
  int64_t sum = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(model, ignored))
    if (entry.path().extension() != ".safetensors" && entry.is_regular_file(ignored))
      sum += static_cast<int64_t>(entry.file_size(ignored));
  return sum;
}

// Tensors of the directory, and those of stages: `staged` of them lie in the folder of the work
// too.
Result<> count_disk(Checkpoint& from, const QuantizeOptions& options, QuantizingPlan& plan) {
  const TensorSpecs specs = tensors_of(from.config());
  const bool stages = needs_inputs(options);
  const auto add = [&](const LinearSpec& spec, bool is_table) -> Result<> {
    if (const auto choice = choice_for(options, spec, is_table)) {
      const int64_t bytes = stored_bytes(spec, scheme_that_holds(choice->scheme, spec.k));
      plan.output += bytes;
      if (stages && (!is_table || is_staged_table(from.config(), spec))) plan.work += bytes;
      return {};
    }
    plan.output += (is_table ? TRY(from.table(spec)) : TRY(from.linear(spec))).weight.bytes();
    return {};
  };
  for (const LinearSpec& spec : specs.tables) TRY(add(spec, true));
  for (const LinearSpec& spec : specs.linears) TRY(add(spec, false));
  for (const VectorSpec& spec : specs.vectors) plan.output += spec.size * float_bytes;
  if (needs_kv_scales(options))
    plan.output += 2 * from.config().layers * from.config().kv_heads * float_bytes;
  plan.output += companion_bytes(from.path());
  // The hidden states of a stage and of the one before it, and what its last step gets.
  const int64_t kept = stages ? most_kept(from.config()) : 0;
  plan.work += (2 * from.config().hidden_size + kept) * plan.tokens * float_bytes;
  return {};
}

}  // namespace

Result<QuantizingPlan> plan_quantizing(int threads, Isa isa, Checkpoint& unrotated,
                                       const QuantizeOptions& wanted,
                                       const CalibrationOptions& calibration) {
  QuantizingPlan plan;
  QuantizeOptions options = wanted;
  TRY(check_options(options));
  std::unique_ptr<Checkpoint> rotated;
  if (options.rotation.any()) rotated = TRY(rotated_checkpoint(unrotated, options.rotation));
  Checkpoint& from = rotated ? *rotated : unrotated;
  TRY(check_rules(options, from.config()));
  const int64_t length = std::min(calibration.context, from.config().max_positions);
  const bool stages = needs_inputs(options), kv = needs_kv_scales(options);
  const bool ranges = has_static_activations(options) && !stages;
  if (stages || kv || ranges) plan.tokens = calibration.samples * length;
  {
    const Rehearsal rehearsal;
    ContextOwner owner(threads, isa);
    Context& context = owner.get();
    const int64_t before = memory_use().now_bytes;
    reset_peak_memory();
    if (has_static_activations(options)) options.calibration = known_inputs(from.config());
    if (stages) {
      Workspace workspace;
      Context own{context.pool, context.isa, workspace};
      TRY(rehearse_stages(own, from, options, length));
    }
    // The model as it is, for ranges of static activations; as it will be stored, whose linears the
    // method quantizes once more, for scales of a KV cache. A method's own stages take all that
    // too.
    if (ranges) plan.memory = TRY(rehearse_reading(context, from.config(), from, options, length));
    if (kv && !stages) {
      QuantizingSource stored(context, from, options);
      plan.memory = std::max(
          plan.memory, TRY(rehearse_reading(context, from.config(), stored, options, length)));
    }
    const TensorSpecs specs = tensors_of(from.config());
    QuantizingSource source(context, from, options);
    for (const LinearSpec& spec : specs.tables)
      if (!stages || !is_staged_table(from.config(), spec)) TRY(source.table(spec));
    for (const LinearSpec& spec : specs.linears)
      if (!stages || !choice_for(options, spec, false)) TRY(source.linear(spec));
    plan.memory = std::max(plan.memory, memory_use().peak_bytes - before);
    plan.process = anonymous_bytes();
    const int64_t tokenizing = plan.tokens > 0 ? bytes_with_tokenizer(from) : 0;
    plan.process = std::max(plan.process, anonymous_bytes());
    plan.memory = std::max(plan.memory, tokenizing - plan.process);
    TRY(count_disk(from, options, plan));
  }
  return plan;
}

}  // namespace farthing
