// Rescalings out of a block's plan.
#include "model/stages/rescalings.h"

#include <numeric>

#include "model/stages/stages.h"

namespace farthing {
namespace {

std::vector<int64_t> ascending(int64_t count) {
  std::vector<int64_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

// The rows of a linear that a part takes.
std::vector<int64_t> rows_of(const ColumnsPlan& plan) {
  std::vector<int64_t> out = ascending(plan.count);
  for (int64_t& at : out) at = plan.begin + plan.step * (at / plan.width) + at % plan.width;
  return out;
}

std::vector<LinearSpec> specs_of(const std::vector<LinearPlan>& plans) {
  std::vector<LinearSpec> out;
  for (const LinearPlan& plan : plans) out.push_back(spec_of(plan));
  return out;
}

Rescaling behind(const NormPlan& norm, std::vector<LinearSpec> readers) {
  Rescaling out{.readers = std::move(readers),
                .channel = ascending(norm.size),
                .giver = {},
                .rows = ascending(norm.size),
                .vectors = vectors_of(norm),
                .one_plus = norm.kind == NormKind::rms_one_plus};
  return out;
}

Rescaling between(const LinearPlan& giver, std::vector<int64_t> rows, const LinearPlan& reader,
                  std::vector<int64_t> channel) {
  Rescaling out{.readers = {spec_of(reader)},
                .channel = std::move(channel),
                .giver = spec_of(giver),
                .rows = std::move(rows)};
  if (giver.bias) out.vectors.push_back(bias_of(giver));
  return out;
}

Rescaling of_values(const AttentionPlan& plan) {
  std::vector<int64_t> channel = ascending(plan.heads * plan.head_dim);
  const int64_t shared = plan.heads / plan.kv_heads;
  for (int64_t& at : channel) at = at / plan.head_dim / shared * plan.head_dim + at % plan.head_dim;
  return between(plan.inputs[plan.v.linear], rows_of(plan.v), plan.output, std::move(channel));
}

Rescaling of_latent_values(const LatentAttentionPlan& plan) {
  std::vector<int64_t> rows = ascending(plan.heads * plan.value_dim);
  for (int64_t& at : rows)
    at = at / plan.value_dim * (plan.plain_dim + plan.value_dim) + plan.plain_dim +
         at % plan.value_dim;
  return between(plan.key_value, std::move(rows), plan.output,
                 ascending(plan.heads * plan.value_dim));
}

void add_up(const MlpPlan& plan, std::vector<Rescaling>& out) {
  if (plan.up.count == 0 || plan.clamped.limit != 0 || plan.hadamard) return;
  out.push_back(
      between(plan.inputs[plan.up.linear], rows_of(plan.up), plan.down, ascending(plan.up.count)));
}

}  // namespace

std::vector<Rescaling> rescalings_of_stage(const ModelConfig& config, int64_t stage) {
  std::vector<Rescaling> out;
  const StagePlace place = place_of_stage(config, stage);
  if (place.block == nullptr) return out;
  const BlockPlan& plan = *place.block;
  // Nothing where a parallel block's parts share one norm.
  const bool shared_norm =
      place.attention && place.mlp && plan.attention_norm.name == plan.mlp_norm.name;
  const auto add = [&](const NormPlan& norm, std::vector<LinearSpec> readers) {
    if (!norm.name.empty() && !shared_norm) out.push_back(behind(norm, std::move(readers)));
  };
  if (place.attention && plan.latent.heads > 0) {
    const LatentAttentionPlan& latent = plan.latent;
    const bool has_latent = !latent.query_latent.name.empty();
    add(plan.attention_norm,
        specs_of({has_latent ? latent.query_latent : latent.query, latent.kv_latent}));
    if (has_latent) add(latent.query_norm, specs_of({latent.query}));
    add(latent.kv_norm, specs_of({latent.key_value}));
    out.push_back(of_latent_values(latent));
  } else if (place.attention) {
    add(plan.attention_norm, specs_of(plan.attention.inputs));
    out.push_back(of_values(plan.attention));
  }
  if (!place.mlp) return out;
  std::vector<LinearSpec> readers = specs_of(plan.mlp.inputs);
  if (const ExpertsPlan& experts = plan.experts; !experts.experts.empty()) {
    readers = specs_of({experts.router});
    const auto add_expert = [&](const MlpPlan& mlp) {
      for (const LinearPlan& input : mlp.inputs) readers.push_back(spec_of(input));
      add_up(mlp, out);
    };
    for (const MlpPlan& expert : experts.experts) add_expert(expert);
    add_expert(experts.shared);
  } else {
    add_up(plan.mlp, out);
  }
  add(plan.mlp_norm, std::move(readers));
  return out;
}

}  // namespace farthing
