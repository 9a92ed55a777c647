// A rehearsal of the trainer's own model and of one batch.
#include "advise/training_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "advise/layer_groups.h"
#include "advise/serving_plan.h"
#include "base/rehearsal.h"
#include "train/fresh_checkpoint.h"

namespace farthing {
namespace {

Result<> check_context(const ModelConfig& config, const Recipe& recipe) {
  if (recipe.context <= config.max_positions) return {};
  return fail({.what = "the recipe's context is longer than the model's",
               .where = "data.context",
               .got = fmt::format("{} tokens", recipe.context),
               .wanted = fmt::format("at most {}", config.max_positions),
               .remedy = "lower data.context"});
}

// Sequences as long as the context, and what is left.
std::vector<TrainingSequence> whole_sequences(const std::vector<int32_t>& tokens, int64_t context) {
  std::vector<TrainingSequence> out;
  std::span<const int32_t> rest(tokens);
  while (!rest.empty()) {
    const auto of = rest.first(std::min(rest.size(), static_cast<size_t>(context)));
    out.push_back({of, of});
    rest = rest.subspan(of.size());
  }
  return out;
}

void count_parameters(const TrainedModel& model, TrainingPlan& plan) {
  for (const auto& p : model.parameters()) {
    plan.parameters += p->value.shape().elements();
    plan.masters += p->value.bytes();
    plan.gradients += p->gradient.bytes();
    // learned scales are not exported: the format's own are
    const bool matrix = p->value.shape().rank() == 2 && !p->name.ends_with(".scales");
    if (matrix)
      plan.exported += stored_bytes(*p->scheme.weights, p->value.shape()[0], p->value.shape()[1]);
    if (p->value.shape().rank() == 1) plan.exported += p->value.bytes();
  }
}

}  // namespace

int64_t TrainingPlan::peak() const {
  return process + masters + gradients + weights +
         std::max(loading, moments + kv_cache + activations);
}

Result<TrainingPlan> plan_training(int threads, Isa isa, Checkpoint& from, const Recipe& recipe) {
  TrainingPlan plan;
  {
    const Rehearsal rehearsal;
    std::unique_ptr<Checkpoint> fresh;
    if (recipe.model) fresh = TRY(fresh_checkpoint(from, *recipe.model, recipe.seed));
    Checkpoint& model_of = fresh ? *fresh : from;
    TRY(check_context(model_of.config(), recipe));
    ContextOwner owner(threads, isa);
    Context& context = owner.get();
    const int64_t before = memory_use().now_bytes;
    reset_peak_memory();
    NoProgress quiet;
    const auto model = TRY(TrainedModel::create(context, model_of, recipe.precision, quiet));
    count_parameters(*model, plan);
    const int64_t created = memory_use().now_bytes - before - context.workspace.bytes();
    plan.weights = created - plan.masters - plan.gradients;
    plan.loading = memory_use().peak_bytes - before - created;
    plan.process = anonymous_bytes();

    const Optimizer optimizer(recipe.optimizer, model->parameters());
    plan.moments = memory_use().now_bytes - before - created - context.workspace.bytes();
    plan.tokens = std::max<int64_t>(recipe.batch_tokens / recipe.accumulation, 1);
    const std::vector<int32_t> tokens(static_cast<size_t>(plan.tokens), 0);
    const auto batch = whole_sequences(tokens, recipe.context);
    model->accumulate_gradients(context, batch, 1, recipe.gradient_checkpointing);
    plan.activations = context.workspace.bytes();
    plan.kv_cache = memory_use().now_bytes - before - created - plan.moments - plan.activations;
  }
  constexpr int64_t values = 3;  // masters and two moments
  plan.state = values * plan.masters;
  // A new one is written before the oldest goes.
  plan.states = plan.state * (std::max<int64_t>(recipe.checkpoint_keep, 1) + 1);
  return plan;
}

}  // namespace farthing
