// The Cholesky decomposition of a layer's Gram matrix, in fixed order.
#pragma once

#include <cstdint>

#include "tensor/context.h"

namespace farthing {

// The lower L with a = L L^T in a's lower half, which alone is read; what lies above stays. False
// where a is not positive definite as far as f32 can tell; then a is spoilt.
// fixed_order: blocks of 64 columns; within a block each sum goes in ascending order, and what
// earlier blocks take away is one f32 matrix product.
bool cholesky(Context& context, View<float, 2> a);

}  // namespace farthing
