// Sums, SwiGLU, activation functions, scaling and soft caps, with their gradients.
#pragma once

#include "kernels/activation_functions/activation_functions.h"
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

// out = (u + 1) * g / (1 + e^(-alpha g)), g = min(gate, limit), u = up clamped to +-limit, all [m,
// n]: the MLP of gpt-oss. `out` may be `gate` or `up`. fixed_order.
struct ClampedSwiglu {
  float alpha, limit;
};
void clamped_swiglu_forward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                            ClampedSwiglu options, View<float, 2> out);
// Adds its gradients, as swiglu_backward does.
void clamped_swiglu_backward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                             ClampedSwiglu options, View<const float, 2> out_gradient,
                             View<float, 2> gate_gradient, View<float, 2> up_gradient);

// x += bias, row by row; x [m, n], bias f32 [n]. fixed_order.
void bias_forward(Context& context, View<float, 2> x, const Tensor& bias);
// bias_gradient (f32 [n]) += the sums of the columns of out_gradient [m, n] over ascending rows.
// fixed_order.
void bias_backward(Context& context, View<const float, 2> out_gradient, Tensor& bias_gradient);

// out = f(x), both [m, n]. `out` may be `x`. fixed_order.
void activation_forward(Context& context, ActivationFunction f, View<const float, 2> x,
                        View<float, 2> out);
// x_gradient += out_gradient * f'(x). fixed_order.
void activation_backward(Context& context, ActivationFunction f, View<const float, 2> x,
                         View<const float, 2> out_gradient, View<float, 2> x_gradient);

// out = a * b, all [m, n]. `out` may be either. fixed_order.
void multiply_forward(Context& context, View<const float, 2> a, View<const float, 2> b,
                      View<float, 2> out);
// sums += a * b; so a product's gradients. fixed_order.
void add_products(Context& context, View<const float, 2> a, View<const float, 2> b,
                  View<float, 2> sums);

// x *= factor. Its own gradient. fixed_order.
void scale_forward(Context& context, View<float, 2> x, float factor);

// out = cap * tanh(x / cap), both [m, n]. `out` may be `x`. fixed_order.
void softcap_forward(Context& context, View<const float, 2> x, float cap, View<float, 2> out);
// x_gradient += out_gradient * (1 - tanh(x / cap)^2). fixed_order.
void softcap_backward(Context& context, View<const float, 2> x, float cap,
                      View<const float, 2> out_gradient, View<float, 2> x_gradient);

}  // namespace farthing::ops
