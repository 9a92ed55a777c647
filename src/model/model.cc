// What every model answers from its weights' slots.
#include "model/model.h"

#include <fmt/format.h>

#include "model/decoder/decoder.h"

namespace farthing {

LinearSpec spec_of(const LinearPlan& plan) {
  return {plan.name + ".weight", plan.n,     plan.k,       plan.to_residual, plan.transposed,
          plan.keeps_precision,  plan.stack, plan.in_stack};
}

VectorSpec bias_of(const LinearPlan& plan) {
  return {plan.name + ".bias", plan.n, 0.0f, plan.stack_bias, plan.in_stack};
}

std::vector<VectorSpec> vectors_of(const NormPlan& plan) {
  const float initial = plan.kind == NormKind::rms_one_plus ? 0.0f : 1.0f;
  std::vector<VectorSpec> out{{plan.name + ".weight", plan.size, initial}};
  if (plan.kind == NormKind::layer) out.push_back({plan.name + ".bias", plan.size, 0.0f});
  return out;
}

TensorSpecs tensors_of(const ModelConfig& config) { return tensors_of_plan(config); }

Result<std::unique_ptr<Model>> build_model(Context& context, const ModelConfig& config,
                                           WeightSource& source, Progress& progress,
                                           PackTime time) {
  return build_decoder(context, config, source, progress, time);
}

void Model::finish_packing(Context& context) {
  for (const auto& [name, weight] : weights().linears) ops::finish_packing(context, weight->packed);
}

std::vector<LinearInfo> Model::linears() const {
  std::vector<LinearInfo> out;
  for (const auto& [name, weight] : const_cast<Model*>(this)->weights().linears) {
    const PackedWeight& w = weight->packed;
    out.push_back({name, w.n(), w.k(), w.scheme, w.kernel, w.bytes()});
  }
  return out;
}

Result<> Model::check_batch_invariant() const {
  for (const LinearInfo& linear : linears())
    TRY(farthing::check_batch_invariant(linear.scheme, linear.name));
  return {};
}

Result<> KvCacheFormat::check(KvCodec asked) const {
  const KvCodecInfo& info = kv_codec_info(asked);
  if (info.scaling != KvScaling::of_head || scales != nullptr) return {};
  return fail({.what = "the model brings no scales for this type of the KV cache",
               .where = fmt::format("a KV cache of type {}", info.name),
               .got = "no k_scale and v_scale",
               .wanted = "a calibrated scale for each layer and head",
               .remedy = fmt::format("store the model with them: farthing quantize MODEL --format "
                                     "SCHEME --kv-cache-dtype {} -o DIR",
                                     info.name)});
}

Sequence Model::new_sequence(int64_t tokens, std::optional<KvCodec> asked) const {
  return new_sequence(std::make_shared<KvPool>(kv_layout(asked)), tokens);
}

Sequence Model::new_sequence(std::shared_ptr<KvPool> pool, int64_t tokens) const {
  reserve_positions(tokens);
  Sequence out{KvCache(std::move(pool)), 0};
  out.cache.reserve(tokens);
  return out;
}

}  // namespace farthing
