// The input of a linear as int8 blocks.
#pragma once

#include "kernels/matmul/matmul.h"
#include "tensor/context.h"

namespace farthing::ops {

// Rounds the rows of x [m, k] to an int8 activation format, in the workspace. fixed_order.
Int8Rows round_rows(Context& context, View<const float, 2> x, Activations activations);

}  // namespace farthing::ops
