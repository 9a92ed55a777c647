// Kernels of RMS norm and of its gradients.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

struct NormFunctions {
  // out[i] = (x[i] * r) * gain[i], r = 1 / sqrt(sum(x^2) / n + eps); one rounding for each
  // operation. The sum: lane i mod 16 takes x[i] by FMA in ascending i, then sum_of_lanes. `out`
  // may be `x`. n < 2^24.
  void (*rms_norm)(const float* x, const float* gain, float eps, int64_t n, float* out) noexcept;
  // The r of rms_norm.
  float (*inverse_rms)(const float* x, float eps, int64_t n) noexcept;
  // The gradient of a row, r * (t - h * mean(t h)) with t = gain * out_gradient and h = x * r, is
  // added to x_gradient: t, h, s = sum(t h) by FMA in the order of rms_norm's sum, m = s / n,
  // u = t - h m with product and difference rounded, x_gradient = fma(r, u, x_gradient). n < 2^24.
  void (*rms_norm_backward)(const float* x, const float* gain, float r, const float* out_gradient,
                            int64_t n, float* x_gradient) noexcept;
  // gain_gradient[i] += the chain fma(out_gradient[row][i], x[row][i] * r[row], chain) over
  // ascending rows, from 0. Strides in elements.
  void (*gain_backward)(const float* x, int64_t x_stride, const float* r, const float* out_gradient,
                        int64_t out_stride, int64_t rows, int64_t columns,
                        float* gain_gradient) noexcept;
};

using NormKernel = Kernel<NormFunctions>;
std::span<const NormKernel> norm_kernels();
const NormKernel& choose_norm_kernel(Isa isa);

}  // namespace farthing
