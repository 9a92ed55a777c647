// The Gram matrix of a linear's inputs, x^T x: what second-order quantization knows of a layer.
#pragma once

#include "tensor/context.h"

namespace farthing::ops {

// gram [k, k] += x^T x, x [m, k]; only the elements [i, j] with j >= i - i % 64 are kept up to
// date. fixed_order: as linear_forward with f32 weights, tokens being the chain.
void add_gram(Context& context, View<const float, 2> x, View<float, 2> gram);
// Copies the upper half onto the lower one.
void mirror_gram(View<float, 2> gram);

}  // namespace farthing::ops
