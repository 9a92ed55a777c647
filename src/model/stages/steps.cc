// Steps out of a block's plan.
#include "model/stages/steps.h"

#include <algorithm>

#include "model/stages/stages.h"

namespace farthing {
namespace {

LinearGroup group_of(const std::vector<LinearPlan>& plans) {
  LinearGroup out;
  for (const LinearPlan& plan : plans)
    if (!plan.keeps_precision) out.linears.push_back(spec_of(plan));
  return out;
}

// Queries and keys, and values apart where a linear of their own gives them.
LinearStep inputs_of(const AttentionPlan& plan) {
  const size_t v = plan.v.linear;
  if (plan.q.linear == v || plan.k.linear == v) return {group_of(plan.inputs)};
  std::vector<LinearPlan> others = plan.inputs;
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(v));
  LinearGroup values = group_of({plan.inputs[v]});
  values.values = true;
  return {group_of(others), std::move(values)};
}

}  // namespace

std::vector<LinearStep> steps_of_stage(const ModelConfig& config, int64_t stage) {
  std::vector<LinearStep> steps;
  const auto add = [&](LinearStep step) {
    std::erase_if(step, [](const LinearGroup& group) { return group.linears.empty(); });
    if (!step.empty()) steps.push_back(std::move(step));
  };
  const StagePlace place = place_of_stage(config, stage);
  if (place.block == nullptr && stage > 0)
    add({group_of({config.tied_embeddings() ? config.plan.embedding : config.plan.head})});
  if (place.attention) {
    if (const LatentAttentionPlan& latent = place.block->latent; latent.heads > 0) {
      const bool has_latent = !latent.query_latent.name.empty();
      add({group_of({has_latent ? latent.query_latent : latent.query, latent.kv_latent})});
      if (has_latent) add({group_of({latent.query})});
      add({group_of({latent.key_value})});
      add({group_of({latent.output})});
    } else {
      add(inputs_of(place.block->attention));
      add({group_of({place.block->attention.output})});
    }
  }
  if (!place.mlp) return steps;
  if (place.block->experts.experts.empty()) {
    add({group_of(place.block->mlp.inputs)});
    add({group_of({place.block->mlp.down})});
    return steps;
  }
  LinearStep inputs, downs;
  const auto add_expert = [&](const MlpPlan& expert) {
    inputs.push_back(group_of(expert.inputs));
    downs.push_back(group_of({expert.down}));
  };
  for (const MlpPlan& expert : place.block->experts.experts) add_expert(expert);
  if (const MlpPlan& shared = place.block->experts.shared; !shared.inputs.empty())
    add_expert(shared);
  add(std::move(inputs));
  add(std::move(downs));
  return steps;
}

}  // namespace farthing
