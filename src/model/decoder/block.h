// A block of a decoder: attention and its mlp or experts, with their norms.
#pragma once

#include <optional>

#include "model/decoder/experts.h"
#include "model/decoder/latent_attention.h"
#include "model/decoder/parts.h"

namespace farthing {

class Block {
 public:
  explicit Block(const BlockPlan& plan);
  Result<> visit(WeightVisitor& visitor);
  // `layer`: which of the cache's layers is this block's. Without a tape x itself is the result.
  autograd::Value run(Context& context, const autograd::Value& x, const Batch& batch,
                      std::span<RopeTable> ropes, int64_t layer) const;

 private:
  autograd::Value run_mlp(Context& context, const autograd::Value& x) const {
    return mlp_ ? mlp_->run(context, x) : experts_->run(context, x);
  }

  Norm attention_norm_, after_attention_, mlp_norm_, after_mlp_;
  std::optional<Attention> attention_;
  std::optional<LatentAttention> latent_;
  std::optional<Mlp> mlp_;
  std::optional<Experts> experts_;
  bool parallel_;
};

}  // namespace farthing
