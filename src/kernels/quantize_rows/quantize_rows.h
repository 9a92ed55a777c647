// Kernels that round activations to int8 in blocks of 32.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// The elements of a row rounded up to whole blocks.
constexpr int64_t blocks_of_32(int64_t k) { return (k + 31) / 32; }

struct QuantizeRowsFunctions {
  // One row x[k] to blocks of 32 along k, b = 0 .. blocks_of_32(k) - 1; past the row's end x counts
  // as 0.
  //   amax = largest |x| of the block; scales[b] = amax / 127; codes = round_even(x * (127 /
  //   amax)), in -127..127. amax < 2^-100: scale 0, codes 0.   A block with an infinity or NaN:
  //   scale NaN, codes 0: products show NaN.
  // codes[32 b ..], scales[b], sums[b] = the sum of the block's codes.
  void (*int8_block32)(const float* x, int64_t k, int8_t* codes, float* scales,
                       int32_t* sums) noexcept;
};

using QuantizeRowsKernel = Kernel<QuantizeRowsFunctions>;
std::span<const QuantizeRowsKernel> quantize_rows_kernels();
const QuantizeRowsKernel& choose_quantize_rows_kernel(Isa isa);

}  // namespace farthing
