// Rehearsals of loading and of steps, and what the memory's own count says.
#include "advise/serving_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "advise/known_inputs.h"
#include "base/rehearsal.h"
#include "quant/quantize.h"

namespace farthing {
namespace {

constexpr int64_t usual_context = 4096;
constexpr int64_t large_storage_bytes = int64_t{1} << 17;  // tensor/tensor.cc

Result<int64_t> context_of(const ModelConfig& config, int64_t wanted) {
  if (wanted == 0) return std::min(config.max_positions, usual_context);
  if (wanted <= config.max_positions) return wanted;
  return fail({.what = "the context is longer than the model's",
               .where = "--context",
               .got = fmt::format("{} tokens", wanted),
               .wanted = fmt::format("at most {}", config.max_positions),
               .remedy = "lower it"});
}

int64_t pages_for(int64_t positions) {
  return (positions + kv_page_positions - 1) / kv_page_positions;
}

// Everything stays as it is stored.
QuantizeOptions nothing_quantized() {
  QuantizeOptions out;
  out.rules.push_back({.layers = "*", .keep = true});
  return out;
}

// Small memory is the allocator's, also in a rehearsal: what it takes from the system beyond the
// small weights is the program's own and what it could not give back while it loaded.
void count_process(const WeightSlots& slots, ServingPlan& plan) {
  int64_t small = 0;
  const auto add = [&](int64_t bytes) { small += bytes < large_storage_bytes ? bytes : 0; };
  for (const auto& [name, weight] : slots.linears)
    if (weight->packed.packed) add(weight->packed.packed.bytes());
  for (const auto& [name, weight] : slots.vectors) add(weight->value.bytes());
  plan.process = std::max(plan.process, anonymous_bytes() - small);
}

void count_weights(Model& model, int64_t file_bytes, ServingPlan& plan) {
  plan.linears = groups_of(model.linears());
  const WeightSlots slots = model.weights();
  count_process(slots, plan);
  int64_t read = 0;
  for (const auto& [name, weight] : slots.tables) {
    plan.embedding_stored += weight->stored.bytes();
    plan.parameters += weight->stored.n * weight->stored.k;
    read += weight->stored.bytes();
  }
  for (const auto& [name, weight] : slots.linears) {
    plan.parameters += weight->packed.n() * weight->packed.k();
    read += weight->packed.bytes();
  }
  for (const auto& [name, weight] : slots.vectors) {
    plan.parameters += weight->value.shape().elements();
    read += weight->value.bytes();
  }
  const PackedWeight& head = slots.linears.back().second->packed;
  if (model.config().tied_embeddings()) {
    plan.parameters -= head.n() * head.k();
  } else {
    plan.head_stored = stored_bytes(*head.scheme.weights, head.n(), head.k());
  }
  plan.blocks_stored = file_bytes - plan.embedding_stored - plan.head_stored;
  plan.mapped = std::max<int64_t>(0, read - plan.weights);
}

// Steps of a model whose sequences are as long as the context allows. Pages of a prefix are shared,
// so that few of them need be there.
class Steps {
 public:
  Steps(Context& context, const Model& model, int64_t positions)
      : context_(context),
        model_(model),
        pool_(std::make_shared<KvPool>(model.kv_layout())),
        prefix_(pool_),
        positions_(positions),
        tokens_(static_cast<size_t>(positions), 0) {
    prefix_.reserve(positions);
  }

  int64_t page_bytes() const { return pool_->layout().page_bytes(); }

  // One token of each of `decoding` sequences, and `prompt` tokens of others, whole prompts but the
  // last.
  void run(int64_t decoding, int64_t prompt, View<float, 2> logits) {
    std::vector<int64_t> counts(static_cast<size_t>(decoding), 1);
    const auto most = static_cast<size_t>(logits.rows);
    for (; prompt > 0 && counts.size() < most; prompt -= counts.back())
      counts.push_back(std::min(prompt, positions_));
    std::vector<Sequence> sequences;
    for (const int64_t count : counts) sequences.push_back(sequence_before(count));
    std::vector<SequenceTokens> batch;
    for (size_t i = 0; i < sequences.size(); ++i)
      batch.push_back({&sequences[i], std::span(tokens_).first(static_cast<size_t>(counts[i])), 1});
    const auto rows = static_cast<int64_t>(batch.size());
    model_.run(context_, batch, {{logits.data, rows, logits.columns, logits.stride}});
  }

 private:
  // Has room for all positions, and holds as many as leave `tokens` to come.
  Sequence sequence_before(int64_t tokens) const {
    const int64_t held = (positions_ - tokens) / kv_page_positions;
    Sequence out{KvCache(pool_), held * kv_page_positions};
    out.cache.share(prefix_.pages().first(static_cast<size_t>(held)));
    out.cache.reserve(positions_);
    return out;
  }

  Context& context_;
  const Model& model_;
  std::shared_ptr<KvPool> pool_;
  KvCache prefix_;
  int64_t positions_;
  std::vector<int32_t> tokens_;
};

}  // namespace

int64_t ServingPlan::peak() const {
  return process + weights + std::max(loading, kv_cache() + activations());
}

Result<ServingPlan> plan_serving(int threads, Isa isa, Checkpoint& from,
                                 const ServingOptions& options) {
  ServingPlan plan;
  plan.process = anonymous_bytes();
  plan.context = TRY(context_of(from.config(), options.context));
  plan.batch = options.batch;
  const Rehearsal rehearsal;
  ContextOwner owner(threads, isa);
  Context& context = owner.get();
  QuantizeOptions quantize = options.quantize ? *options.quantize : nothing_quantized();
  // What chose the codes does not change what they take.
  quantize.method = find_algorithm("rtn");
  quantize.rescaling = nullptr;
  for (QuantizeRule& rule : quantize.rules) rule.method = nullptr;
  if (has_static_activations(quantize)) quantize.calibration = known_inputs(from.config());
  if (options.kv_cache_dtype) quantize.kv_cache = options.kv_cache_dtype;
  if (needs_kv_scales(quantize)) quantize.kv_scales = known_scales(from.config());
  TRY(check_rules(quantize, from.config()));

  const int64_t before = memory_use().now_bytes;
  reset_peak_memory();
  NoProgress quiet;
  QuantizingSource source(context, from, quantize);
  const auto model = TRY(build_model(context, from.config(), source, quiet));
  plan.weights = memory_use().now_bytes - before;
  plan.loading = memory_use().peak_bytes - before - plan.weights;
  count_weights(*model, source.bytes(), plan);

  model->reserve_positions(plan.context);
  for (const RopePlan& rope : from.config().plan.ropes)
    plan.rope_tables += plan.context * rope.rotary_dim * static_cast<int64_t>(sizeof(float));
  const int64_t most_tokens = options.max_num_batched_tokens;
  const int64_t decoding = std::min(plan.batch, most_tokens);
  Tensor logits(DType::f32, {decoding, from.config().vocabulary_size});
  plan.logits = logits.bytes();
  plan.kv_codec = model->kv_cache().codec;
  Steps steps(context, *model, plan.context);
  steps.run(0, most_tokens, logits.view<float>());
  steps.run(decoding, 0, logits.view<float>());
  steps.run(decoding - 1, most_tokens - decoding + 1, logits.view<float>());
  // Joined behind a step to as much as was in use at once: what lies between blocks is not touched.
  plan.workspace = context.workspace.bytes();
  plan.kv_page_bytes = steps.page_bytes();
  plan.kv_pages = plan.batch * pages_for(plan.context);
  return plan;
}

int64_t anonymous_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;)
    if (word == "RssAnon:") {
      int64_t kilobytes = 0;
      file >> kilobytes;
      return kilobytes * 1024;
    }
  return 0;
}

}  // namespace farthing
