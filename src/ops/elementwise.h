// Residual add and SwiGLU.
#pragma once

#include "tensor/context.h"

namespace farthing::ops {

// x += y, both [m, n]. fixed_order.
void add_forward(Context& context, View<float, 2> x, View<const float, 2> y);

// out = silu(gate) * up, all [m, n]. `out` may be `gate` or `up`. fixed_order.
void swiglu_forward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                    View<float, 2> out);

}  // namespace farthing::ops
