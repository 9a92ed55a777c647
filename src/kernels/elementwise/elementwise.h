// Kernels of operations that act on each element by itself: residual add, SwiGLU, exp.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

struct ElementwiseFunctions {
  // out[i] = a[i] + b[i]. `out` may be `a` or `b`.
  void (*add)(const float* a, const float* b, int64_t n, float* out) noexcept;
  // out[i] = silu(gate[i]) * up[i]. With e = exp(-|g|): silu = (g < 0 ? g * e : g) / (1 + e), each
  // operation rounded. `out` may be `gate` or `up`.
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out) noexcept;
  // out[i] = e^x[i]. `out` may be `x`.
  void (*exp)(const float* x, int64_t n, float* out) noexcept;
};

using ElementwiseKernel = Kernel<ElementwiseFunctions>;
std::span<const ElementwiseKernel> elementwise_kernels();
const ElementwiseKernel& choose_elementwise_kernel(Isa isa);

}  // namespace farthing
