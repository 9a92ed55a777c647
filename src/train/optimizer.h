// AdamW over a model's parameters, with the gradient's norm clipped.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "autograd/parameter.h"
#include "base/result.h"
#include "tensor/context.h"

namespace farthing {

struct AdamW {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;  // of matrices; vectors and scales do not decay
  double clip_norm = 1.0;     // 0: not clipped
};

class Optimizer {
 public:
  Optimizer(AdamW settings, std::span<const std::shared_ptr<Parameter>> parameters);

  // One step with the parameters' gradients; returns their norm before clipping. Fails, and changes
  // nothing, where a gradient is not finite. Its bits do not depend on the number of threads.
  Result<double> step(Context& context, double learning_rate);

  // What a checkpoint must hold beside the parameters: two moments for each, and the steps taken.
  struct Moments {
    Tensor first, second;  // f32, as the parameter
  };
  std::span<Moments> moments() { return moments_; }
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  AdamW settings_;
  std::vector<std::shared_ptr<Parameter>> parameters_;
  std::vector<Moments> moments_;
  int64_t steps_ = 0;
};

}  // namespace farthing
