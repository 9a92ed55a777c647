// The backward pass of the linear operator.
#pragma once

#include "ops/linear/linear.h"

namespace farthing::ops {

// One of the weights that shared the input x.
struct LinearGradient {
  const QuantizedTensor* weight;    // [n, k], what the forward pass multiplied with
  Activations activations;          // what it rounded x to
  View<const float, 2> y_gradient;  // [m, n]
  View<float, 2> weight_gradient;   // [n, k]; rows == 0 where it is not wanted
};

// x_gradient [m, k] += y_gradient W and weight_gradient += y_gradient^T x for each weight: the
// straight-through estimator, W and x being what the forward pass multiplied with: the decoded
// weight, and the input as the activation format rounded it. x_gradient.rows == 0: not wanted.
// fixed_order; both products are the f32 matrix product's (kernels/matmul).
void linear_backward(Context& context, View<const float, 2> x,
                     std::span<const LinearGradient> gradients, View<float, 2> x_gradient);

}  // namespace farthing::ops
