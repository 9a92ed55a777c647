// Kernels of the functions between the linears of an MLP, and of their gradients.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// silu: x / (1 + e^-x). gelu: x times the normal distribution's Phi(x). gelu_tanh: x / (1 + e^-2u),
// u = sqrt(2 / pi) (x + 0.044715 x^3), which is its usual form with tanh. relu: max(x, 0).
enum class ActivationFunction { silu, gelu, gelu_tanh, relu };

struct ActivationFunctionKernels {
  // out[i] = f(x[i]). `out` may be `x`.
  void (*apply)(ActivationFunction f, const float* x, int64_t n, float* out) noexcept;
  // x_gradient[i] = fma(out_gradient[i], f'(x[i]), x_gradient[i]).
  void (*backward)(ActivationFunction f, const float* x, const float* out_gradient, int64_t n,
                   float* x_gradient) noexcept;
};

using ActivationFunctionKernel = Kernel<ActivationFunctionKernels>;
std::span<const ActivationFunctionKernel> activation_function_kernels();
const ActivationFunctionKernel& choose_activation_function_kernel(Isa isa);

}  // namespace farthing
