// RMS norm over the rows of an activation.
#pragma once

#include "tensor/context.h"

namespace farthing::ops {

// out = x / sqrt(mean(x^2) + eps) * gain, row by row; x and out [m, n], gain f32 [n]. `out` may be
// `x`. fixed_order.
void rms_norm_forward(Context& context, View<const float, 2> x, const Tensor& gain, float eps,
                      View<float, 2> out);

}  // namespace farthing::ops
