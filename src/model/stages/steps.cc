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
  const BlockPlan* plan = block_of_stage(config, stage);
  if (plan == nullptr) {
    if (stage > 0)
      add({group_of({config.tied_embeddings() ? config.plan.embedding : config.plan.head})});
    return steps;
  }
  if (const LatentAttentionPlan& latent = plan->latent; latent.heads > 0) {
    const bool has_latent = !latent.query_latent.name.empty();
    add({group_of({has_latent ? latent.query_latent : latent.query, latent.kv_latent})});
    if (has_latent) add({group_of({latent.query})});
    add({group_of({latent.key_value})});
    add({group_of({latent.output})});
  } else {
    add(inputs_of(plan->attention));
    add({group_of({plan->attention.output})});
  }
  if (plan->experts.experts.empty()) {
    add({group_of(plan->mlp.inputs)});
    add({group_of({plan->mlp.down})});
    return steps;
  }
  LinearStep inputs, downs;
  for (const MlpPlan& expert : plan->experts.experts) {
    inputs.push_back(group_of(expert.inputs));
    downs.push_back(group_of({expert.down}));
  }
  if (const MlpPlan& shared = plan->experts.shared; !shared.inputs.empty()) {
    inputs.push_back(group_of(shared.inputs));
    downs.push_back(group_of({shared.down}));
  }
  add(std::move(inputs));
  add(std::move(downs));
  return steps;
}

}  // namespace farthing
