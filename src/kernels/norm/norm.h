// Kernels of RMS norm and layer norm, and of their gradients.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// Of a row: its mean, and 1 / sqrt(variance + eps).
struct NormMoments {
  float mean, inverse;
};

struct NormFunctions {
  // out[i] = (x[i] * r) * (gain[i] + offset), r = 1 / sqrt(sum(x^2) / n + eps); one rounding for
  // each operation. The sum: lane i mod 16 takes x[i] by FMA in ascending i, then sum_of_lanes.
  // `out` may be `x`. n < 2^24.
  void (*rms_norm)(const float* x, const float* gain, float offset, float eps, int64_t n,
                   float* out) noexcept;
  // The r of rms_norm.
  float (*inverse_rms)(const float* x, float eps, int64_t n) noexcept;
  // The gradient of a row, r * (t - h * mean(t h)) with t = (gain + offset) * out_gradient and h =
  // x * r, is added to x_gradient: t, h, s = sum(t h) by FMA in the order of rms_norm's sum, m = s
  // / n, u = t - h m with product and difference rounded, x_gradient = fma(r, u, x_gradient). n <
  // 2^24.
  void (*rms_norm_backward)(const float* x, const float* gain, float offset, float r,
                            const float* out_gradient, int64_t n, float* x_gradient) noexcept;
  // out[i] = fma((x[i] - mean) * r, gain[i], bias[i]), mean and r as `moments` has them. `out` may
  // be `x`. n < 2^24.
  void (*layer_norm)(const float* x, const float* gain, const float* bias, float eps, int64_t n,
                     float* out) noexcept;
  // mean = sum(x) / n, r = 1 / sqrt(sum((x - mean)^2) / n + eps); sums as rms_norm's, that of the
  // mean by additions.
  NormMoments (*moments)(const float* x, float eps, int64_t n) noexcept;
  // The gradient of a row, r * (t - mean(t) - h * mean(t h)) with t = gain * out_gradient and h =
  // (x
  // - mean) * r, is added to x_gradient as in rms_norm_backward, u = (t - mean(t)) - h m.
  void (*layer_norm_backward)(const float* x, const float* gain, NormMoments moments,
                              const float* out_gradient, int64_t n, float* x_gradient) noexcept;
  // gain_gradient[i] += the chain fma(out_gradient[row][i], (x[row][i] - mean) * inverse, chain)
  // over ascending rows, from 0. Strides in elements.
  void (*gain_backward)(const float* x, int64_t x_stride, const NormMoments* moments,
                        const float* out_gradient, int64_t out_stride, int64_t rows,
                        int64_t columns, float* gain_gradient) noexcept;
};

using NormKernel = Kernel<NormFunctions>;
std::span<const NormKernel> norm_kernels();
const NormKernel& choose_norm_kernel(Isa isa);

}  // namespace farthing
