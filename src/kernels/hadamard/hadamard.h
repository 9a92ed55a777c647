// Kernels of the Hadamard transform.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// Of the matrix of signs that mixes the runs of a row.
inline constexpr int64_t most_hadamard_order = 512;

struct HadamardFunctions {
  // One row x, `order` runs of `width` elements (a power of two), in place. In each run, stages of
  // strides 1, 2, 4, ... below `width`: elements a and b, one stride apart, become a + b and a - b.
  // Then element j of run i becomes the chain of additions of signs[i * order + r] * (element j of
  // run r) over ascending r, from 0; where `order` is 1 there is no such step. Then everything is
  // multiplied by `scale`. One rounding for each operation; products with a sign have none. `order`
  // is 1, or a multiple of 4 up to most_hadamard_order.
  void (*transform)(float* x, const float* signs, int64_t order, int64_t width,
                    float scale) noexcept;
};

using HadamardKernel = Kernel<HadamardFunctions>;
std::span<const HadamardKernel> hadamard_kernels();
const HadamardKernel& choose_hadamard_kernel(Isa isa);

}  // namespace farthing
