// Kernels of operations that act on each element by itself: sums and products, SwiGLU, soft caps,
// their gradients, exp.
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
  // Adds the gradients of swiglu to gate_gradient and up_gradient. With s = (g < 0 ? e : 1) / (1 +
  // e), c = (g < 0 ? 1 : e) / (1 + e), which is 1 - s without cancellation, and slope = s (1 + g
  // c), each operation rounded: up_gradient = fma(out_gradient, silu, up_gradient), gate_gradient =
  // fma(out_gradient * up, slope, gate_gradient). Finite for every finite gate.
  void (*swiglu_backward)(const float* gate, const float* up, const float* out_gradient, int64_t n,
                          float* gate_gradient, float* up_gradient) noexcept;
  // out[i] = (u + 1) * (g s), g = min(gate, limit), u = up clamped to +-limit, s = 1 / (1 +
  // e^(-alpha g)): gpt-oss. `out` may be `gate` or `up`.
  void (*clamped_swiglu)(const float* gate, const float* up, float alpha, float limit, int64_t n,
                         float* out) noexcept;
  // Adds its gradients, which are 0 for what is beyond the limits.
  void (*clamped_swiglu_backward)(const float* gate, const float* up, float alpha, float limit,
                                  const float* out_gradient, int64_t n, float* gate_gradient,
                                  float* up_gradient) noexcept;
  // out[i] = a[i] * b[i]. `out` may be `a` or `b`.
  void (*multiply)(const float* a, const float* b, int64_t n, float* out) noexcept;
  // sums[i] = fma(a[i], b[i], sums[i])
  void (*add_products)(const float* a, const float* b, int64_t n, float* sums) noexcept;
  // sums[i] = fma(x[i], factor, sums[i])
  void (*add_scaled)(const float* x, float factor, int64_t n, float* sums) noexcept;
  // The sum of a[i] * b[i]: lane i mod 16 by FMA in ascending i, then sum_of_lanes.
  float (*dot)(const float* a, const float* b, int64_t n) noexcept;
  // out[i] = x[i] * factor. `out` may be `x`.
  void (*scale)(const float* x, float factor, int64_t n, float* out) noexcept;
  // out[i] = cap * tanh(x[i] / cap). `out` may be `x`.
  void (*softcap)(const float* x, float cap, int64_t n, float* out) noexcept;
  // x_gradient[i] = fma(out_gradient[i], 1 - t t, x_gradient[i]), t = tanh(x[i] / cap).
  void (*softcap_backward)(const float* x, float cap, const float* out_gradient, int64_t n,
                           float* x_gradient) noexcept;
  // sums[i] += the sum of x[row][i] over ascending rows, from 0. The stride is in elements.
  void (*column_sums)(const float* x, int64_t stride, int64_t rows, int64_t columns,
                      float* sums) noexcept;
  // out[i] = e^x[i]. `out` may be `x`.
  void (*exp)(const float* x, int64_t n, float* out) noexcept;
};

using ElementwiseKernel = Kernel<ElementwiseFunctions>;
std::span<const ElementwiseKernel> elementwise_kernels();
const ElementwiseKernel& choose_elementwise_kernel(Isa isa);

}  // namespace farthing
