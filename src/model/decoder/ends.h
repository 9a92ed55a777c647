// What lies before and behind a decoder's blocks: the embedding, and the head with its norm.
#pragma once

#include "model/decoder/parts.h"

namespace farthing {

class Embedding {
 public:
  explicit Embedding(const DecoderPlan& plan) : plan_(plan) {}
  Result<> visit(WeightVisitor& visitor);
  autograd::Value run(Context& context, std::span<const int32_t> tokens,
                      std::span<const int32_t> positions) const;

 private:
  const DecoderPlan& plan_;
  TableWeight embedding_, positions_;
};

class Head {
 public:
  explicit Head(const DecoderPlan& plan) : plan_(plan), norm_(plan.final_norm) {}
  Result<> visit(WeightVisitor& visitor);
  void run(Context& context, const autograd::Value& x, const autograd::Value& logits) const;

 private:
  const DecoderPlan& plan_;
  Norm norm_;
  LinearWeight head_;
};

}  // namespace farthing
