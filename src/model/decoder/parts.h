// The parts of a decoder's block: weights beside their plan, and what they compute.
#pragma once

#include <span>
#include <vector>

#include "model/batch.h"
#include "model/decoder/weight_visitor.h"
#include "model/plan.h"

namespace farthing {

// A plan without a name is no norm: it gives x. RMS norms take each head of x [m, heads * size].
class Norm {
 public:
  explicit Norm(const NormPlan& plan) : plan_(plan) {}
  Result<> visit(WeightVisitor& visitor);
  autograd::Value run(Context& context, const autograd::Value& x) const;

 private:
  NormPlan plan_;
  VectorWeight gain_, bias_;
};

// Linears that read the same input, and what others take of their outputs.
class Linears {
 public:
  explicit Linears(std::vector<LinearPlan> plans);
  Result<> visit(WeightVisitor& visitor);
  // out[i] = the outputs that columns[i] names. False where a probe left the linears out.
  bool run(Context& context, const autograd::Value& x, std::span<const ColumnsPlan> columns,
           std::span<autograd::Value> out) const;
  // Of a single linear: all of them.
  autograd::Value run(Context& context, const autograd::Value& x) const;
  std::span<const LinearWeight> weights() const { return weights_; }

 private:
  static constexpr size_t most = 3;
  std::vector<LinearPlan> plans_;
  std::vector<LinearWeight> weights_;
  std::vector<VectorWeight> biases_;
};

class Attention {
 public:
  explicit Attention(const AttentionPlan& plan);
  Result<> visit(WeightVisitor& visitor);
  autograd::Value run(Context& context, const autograd::Value& x, const Batch& batch,
                      std::span<RopeTable> ropes, int64_t layer) const;

 private:
  AttentionPlan plan_;
  Linears inputs_, output_;
  Norm q_norm_, k_norm_;
  VectorWeight sinks_;
  const ops::HadamardMatrix* hadamard_;  // null: none
};

// The matrix of a plan that has one, else null.
const ops::HadamardMatrix* hadamard_of(bool wanted, int64_t size);

class Mlp {
 public:
  explicit Mlp(const MlpPlan& plan);
  Result<> visit(WeightVisitor& visitor);
  autograd::Value run(Context& context, const autograd::Value& x) const;
  std::vector<const LinearWeight*> linears() const;

 private:
  // What comes out of the inner layer.
  autograd::Value down(Context& context, const autograd::Value& inner) const;
  MlpPlan plan_;
  Linears inputs_, down_;
  const ops::HadamardMatrix* hadamard_;  // null: none
};

}  // namespace farthing
