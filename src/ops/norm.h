// RMS norm over the rows of an activation, and its gradients.
#pragma once

#include "tensor/context.h"

namespace farthing::ops {

// out = x / sqrt(mean(x^2) + eps) * gain, row by row; x and out [m, n], gain f32 [n]. `out` may be
// `x`. fixed_order.
void rms_norm_forward(Context& context, View<const float, 2> x, const Tensor& gain, float eps,
                      View<float, 2> out);

// Adds the gradients of rms_norm_forward: to x_gradient [m, n] that of x, and to gain_gradient (f32
// [n]; may be null) that of gain. With r = 1 / sqrt(mean(x^2) + eps), h = x r and t = gain *
// out_gradient, a row's is r (t - h mean(t h)); a column's sums out_gradient * h over ascending
// rows before it is added. Needs no result of the forward pass. The gradients overlap no other
// argument. fixed_order.
void rms_norm_backward(Context& context, View<const float, 2> x, const Tensor& gain, float eps,
                       View<const float, 2> out_gradient, View<float, 2> x_gradient,
                       Tensor* gain_gradient);

}  // namespace farthing::ops
