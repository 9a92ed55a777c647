// Kernels of the optimizer: AdamW's step, and the sum of squares of a gradient.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// The constants of one step, each computed in double and rounded to f32 once.
struct AdamWFactors {
  float decay;  // 1 - learning rate * weight decay
  float one_minus_beta1, beta2, one_minus_beta2;
  float step_size;         // learning rate / (1 - beta1^step)
  float root_correction2;  // sqrt(1 - beta2^step)
  float epsilon;
  float gradient_scale;  // what the gradient is multiplied with first
};

struct AdamWFunctions {
  // One step of n elements; the order of torch.optim.AdamW. Each operation is rounded:
  //   g = gradient * gradient_scale
  //   m = fma(one_minus_beta1, g - m, m)
  //   v = fma(one_minus_beta2 * g, g, beta2 * v)
  //   value = fma(-step_size, m / (sqrt(v) / root_correction2 + epsilon), value * decay)
  void (*step)(const AdamWFactors& factors, const float* gradient, int64_t n, float* value,
               float* m, float* v) noexcept;
  // The sum of x[i]^2 in double: squares are exact; lane i mod 16 adds them in ascending i, then
  // lanes i and i + 8, i + 4, i + 2, i + 1 are added. Finite exactly where every x[i] is.
  double (*sum_of_squares)(const float* x, int64_t n) noexcept;
};

using AdamWKernel = Kernel<AdamWFunctions>;
std::span<const AdamWKernel> adamw_kernels();
const AdamWKernel& choose_adamw_kernel(Isa isa);

}  // namespace farthing
