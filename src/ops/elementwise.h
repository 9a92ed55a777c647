// Residual add, and SwiGLU with its gradients.
#pragma once

#include "tensor/context.h"

namespace farthing::ops {

// x += y, both [m, n]. fixed_order. Its own gradient: add_forward adds a gradient to another, too.
void add_forward(Context& context, View<float, 2> x, View<const float, 2> y);

// out = silu(gate) * up, all [m, n]. `out` may be `gate` or `up`. fixed_order.
void swiglu_forward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                    View<float, 2> out);

// Adds the gradients of swiglu_forward, all [m, n]: out_gradient * up * silu'(gate) to
// gate_gradient, and out_gradient * silu(gate) to up_gradient; silu'(g) = s (1 + g (1 - s)), s = 1
// / (1 + e^-g). Needs no result of the forward pass. The gradients overlap no other argument.
// fixed_order.
void swiglu_backward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                     View<const float, 2> out_gradient, View<float, 2> gate_gradient,
                     View<float, 2> up_gradient);

}  // namespace farthing::ops
