// Kernels of RMS norm.
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
};

using NormKernel = Kernel<NormFunctions>;
std::span<const NormKernel> norm_kernels();
const NormKernel& choose_norm_kernel(Isa isa);

}  // namespace farthing
