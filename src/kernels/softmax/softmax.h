// Kernels of softmax statistics, log-softmax, argmax, KL divergence and the gradient of
// cross-entropy over one row of logits.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// softmax(x)[i] = exp(x[i] - max) / sum.
struct SoftmaxStatistics {
  float max, sum;
};

// log_softmax(x)[i] = (x[i] - max) - log_sum.
struct LogNormalizer {
  float max, log_sum;
};

// Sums over a row: within each block of 1024 elements lane i mod 16 adds the terms in ascending i;
// the lanes of the blocks are added in ascending order; then sum_of_lanes. n >= 1.
struct SoftmaxFunctions {
  // NaN never becomes the maximum, but makes the sum NaN.
  SoftmaxStatistics (*statistics)(const float* x, int64_t n) noexcept;
  // out[i] = (x[i] - max) - log_sum. `out` may be `x`.
  void (*log_softmax)(const float* x, int64_t n, LogNormalizer of_x, float* out) noexcept;
  // The lowest index of the largest element; NaN is never it; 0 where all are NaN.
  int64_t (*argmax)(const float* x, int64_t n) noexcept;
  // sum over i of p (log p - log q), p = exp(log p), log p = log_softmax(x), log q =
  // log_softmax(y). Terms with log p < -104 (p is 0 in f32) are 0.
  float (*kl_divergence)(const float* x, LogNormalizer of_x, const float* y, LogNormalizer of_y,
                         int64_t n) noexcept;
  // out[i] = (p[i] - (i == target)) * weight, p[i] = exp(x[i] - max) / sum; each operation rounded.
  // `target` lies in [0, n). `out` may be `x`.
  void (*cross_entropy_backward)(const float* x, int64_t n, SoftmaxStatistics of_x, int64_t target,
                                 float weight, float* out) noexcept;
};

using SoftmaxKernel = Kernel<SoftmaxFunctions>;
std::span<const SoftmaxKernel> softmax_kernels();
const SoftmaxKernel& choose_softmax_kernel(Isa isa);

}  // namespace farthing
