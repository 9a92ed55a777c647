// The order in which a block's parts run, and in which its weights are visited.
#include "model/decoder/block.h"

namespace farthing {

namespace ag = autograd;

Block::Block(const BlockPlan& plan)
    : attention_norm_(plan.attention_norm),
      after_attention_(plan.after_attention),
      mlp_norm_(plan.mlp_norm),
      after_mlp_(plan.after_mlp),
      parallel_(plan.parallel) {
  if (plan.latent.heads == 0) {
    attention_.emplace(plan.attention);
  } else {
    latent_.emplace(plan.latent);
  }
  if (plan.experts.experts.empty()) {
    mlp_.emplace(plan.mlp);
  } else {
    experts_.emplace(plan.experts);
  }
}

Result<> Block::visit(WeightVisitor& visitor) {
  TRY(attention_norm_.visit(visitor));
  TRY(attention_ ? attention_->visit(visitor) : latent_->visit(visitor));
  TRY(after_attention_.visit(visitor));
  TRY(mlp_norm_.visit(visitor));
  TRY(mlp_ ? mlp_->visit(visitor) : experts_->visit(visitor));
  return after_mlp_.visit(visitor);
}

ag::Value Block::run(Context& context, const ag::Value& x, const Batch& batch,
                     std::span<RopeTable> ropes, int64_t layer) const {
  const ag::Value normed = attention_norm_.run(context, x);
  const ag::Value attended = attention_ ? attention_->run(context, normed, batch, ropes, layer)
                                        : latent_->run(context, normed, batch, ropes[0], layer);
  if (pass_ended(context)) return x;
  if (parallel_) {
    const ag::Value inner = run_mlp(context, mlp_norm_.run(context, x));
    if (pass_ended(context)) return x;
    return ag::add(context, ag::add(context, x, attended), inner);
  }
  const ag::Value h = ag::add(context, x, after_attention_.run(context, attended));
  const ag::Value inner = run_mlp(context, mlp_norm_.run(context, h));
  if (pass_ended(context)) return h;
  return ag::add(context, h, after_mlp_.run(context, inner));
}

}  // namespace farthing
