// RMS norm and layer norm over the rows of an activation, and their gradients.
#pragma once

#include "tensor/context.h"

namespace farthing::ops {

// out = x / sqrt(mean(x^2) + eps) * (gain + offset), row by row; x and out [m, n], gain f32 [n].
// `out` may be `x`. fixed_order.
void rms_norm_forward(Context& context, View<const float, 2> x, const Tensor& gain, float offset,
                      float eps, View<float, 2> out);

// Adds the gradients of rms_norm_forward: to x_gradient [m, n] that of x, and to gain_gradient (f32
// [n]; may be null) that of gain. With r = 1 / sqrt(mean(x^2) + eps), h = x r and t = (gain +
// offset) * out_gradient, a row's is r (t - h mean(t h)); a column's sums out_gradient * h over
// ascending rows before it is added. Needs no result of the forward pass. The gradients overlap no
// other argument. fixed_order.
void rms_norm_backward(Context& context, View<const float, 2> x, const Tensor& gain, float offset,
                       float eps, View<const float, 2> out_gradient, View<float, 2> x_gradient,
                       Tensor* gain_gradient);

// out = (x - mean(x)) / sqrt(var(x) + eps) * gain + bias, row by row; the variance is that of the n
// elements. x and out [m, n], gain and bias f32 [n]. `out` may be `x`. fixed_order.
void layer_norm_forward(Context& context, View<const float, 2> x, const Tensor& gain,
                        const Tensor& bias, float eps, View<float, 2> out);

// Adds the gradients of layer_norm_forward, as rms_norm_backward does; with h = (x - mean) r, a
// row's is r (t - mean(t) - h mean(t h)). bias_gradient (may be null) sums out_gradient.
// fixed_order.
void layer_norm_backward(Context& context, View<const float, 2> x, const Tensor& gain, float eps,
                         View<const float, 2> out_gradient, View<float, 2> x_gradient,
                         Tensor* gain_gradient, Tensor* bias_gradient);

}  // namespace farthing::ops
