// A block of a decoder: attention and its mlp or experts, with their norms.
#pragma once

#include <optional>

#include "model/decoder/experts.h"
#include "model/decoder/latent_attention.h"
#include "model/decoder/parts.h"

namespace farthing {

// What a block adds first: after(attention(norm(x))).
class AttentionPart {
 public:
  explicit AttentionPart(const BlockPlan& plan);
  Result<> visit(WeightVisitor& visitor);
  // `layer`: which of the cache's layers is this block's.
  autograd::Value run(Context& context, const autograd::Value& x, const Batch& batch,
                      std::span<RopeTable> ropes, int64_t layer) const;

 private:
  Norm norm_, after_;
  std::optional<Attention> attention_;
  std::optional<LatentAttention> latent_;
};

// What it adds then: after(mlp(norm(x))).
class MlpPart {
 public:
  explicit MlpPart(const BlockPlan& plan);
  Result<> visit(WeightVisitor& visitor);
  autograd::Value run(Context& context, const autograd::Value& x) const;

 private:
  Norm norm_, after_;
  std::optional<Mlp> mlp_;
  std::optional<Experts> experts_;
};

class Block {
 public:
  explicit Block(const BlockPlan& plan) : attention_(plan), mlp_(plan), parallel_(plan.parallel) {}
  Result<> visit(WeightVisitor& visitor);
  // Without a tape x itself is the result.
  autograd::Value run(Context& context, const autograd::Value& x, const Batch& batch,
                      std::span<RopeTable> ropes, int64_t layer) const;

 private:
  AttentionPart attention_;
  MlpPart mlp_;
  bool parallel_;
};

}  // namespace farthing
