// The order in which a block's parts run, and in which its weights are visited.
#include "model/decoder/block.h"

namespace farthing {

namespace ag = autograd;

AttentionPart::AttentionPart(const BlockPlan& plan)
    : norm_(plan.attention_norm), after_(plan.after_attention) {
  if (plan.latent.heads == 0) {
    attention_.emplace(plan.attention);
  } else {
    latent_.emplace(plan.latent);
  }
}

Result<> AttentionPart::visit(WeightVisitor& visitor) {
  TRY(norm_.visit(visitor));
  TRY(attention_ ? attention_->visit(visitor) : latent_->visit(visitor));
  return after_.visit(visitor);
}

ag::Value AttentionPart::run(Context& context, const ag::Value& x, const Batch& batch,
                             std::span<RopeTable> ropes, int64_t layer) const {
  const ag::Value normed = norm_.run(context, x);
  const ag::Value attended = attention_ ? attention_->run(context, normed, batch, ropes, layer)
                                        : latent_->run(context, normed, batch, ropes[0], layer);
  return pass_ended(context) ? x : after_.run(context, attended);
}

MlpPart::MlpPart(const BlockPlan& plan) : norm_(plan.mlp_norm), after_(plan.after_mlp) {
  if (plan.experts.experts.empty()) {
    mlp_.emplace(plan.mlp);
  } else {
    experts_.emplace(plan.experts);
  }
}

Result<> MlpPart::visit(WeightVisitor& visitor) {
  TRY(norm_.visit(visitor));
  TRY(mlp_ ? mlp_->visit(visitor) : experts_->visit(visitor));
  return after_.visit(visitor);
}

ag::Value MlpPart::run(Context& context, const ag::Value& x) const {
  const ag::Value normed = norm_.run(context, x);
  const ag::Value inner = mlp_ ? mlp_->run(context, normed) : experts_->run(context, normed);
  return pass_ended(context) ? x : after_.run(context, inner);
}

Result<> Block::visit(WeightVisitor& visitor) {
  TRY(attention_.visit(visitor));
  return mlp_.visit(visitor);
}

ag::Value Block::run(Context& context, const ag::Value& x, const Batch& batch,
                     std::span<RopeTable> ropes, int64_t layer) const {
  const ag::Value attended = attention_.run(context, x, batch, ropes, layer);
  if (pass_ended(context)) return x;
  if (parallel_) {
    const ag::Value inner = mlp_.run(context, x);
    if (pass_ended(context)) return x;
    return ag::add(context, ag::add(context, x, attended), inner);
  }
  const ag::Value h = ag::add(context, x, attended);
  const ag::Value inner = mlp_.run(context, h);
  if (pass_ended(context)) return h;
  return ag::add(context, h, inner);
}

}  // namespace farthing
