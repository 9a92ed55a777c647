// Kernels that round activations to int8, with a scale for each block of 32 or 256, for each row,
// or for all rows of a call.
#pragma once

#include <cstdint>
#include <span>

#include "formats/activations.h"
#include "kernels/kernel_list.h"

namespace farthing {

// The elements of a row rounded up to whole blocks.
constexpr int64_t blocks_of_32(int64_t k) { return (k + 31) / 32; }

// What rows have in common: the largest |x|, and whether all elements are finite. Neither depends
// on the order in which rows are looked at.
struct Magnitude {
  float largest = 0;
  bool finite = true;

  void operator|=(Magnitude other) {
    largest = other.largest > largest ? other.largest : largest;
    finite = finite && other.finite;
  }
};

// Of one row x[k].
using MeasureRow = Magnitude (*)(const float* x, int64_t k) noexcept;

// What a row does not decide itself.
struct SharedByRows {
  Magnitude call = {};     // of all rows of the call: read where a format is not batch invariant
  StaticInput input = {};  // of the linear: read where a format is static
  // [32 blocks]: 1 in outlier columns, 0 elsewhere; read where a format has such. Null: there are
  // none.
  const float* outliers = nullptr;
};

// One row x[k] to blocks of 32 along k, b = 0 .. blocks_of_32(k) - 1; past the row's end x counts
// as 0. Writes codes[32 b ..] (-127..127), scales[b] and sums[b], the sum of the block's codes.
using QuantizeRow = void (*)(const float* x, int64_t k, const SharedByRows& shared, int8_t* codes,
                             float* scales, int32_t* sums) noexcept;

// A function for each int8 activation format (formats/activations.inc).
//   int8_block32: amax = largest |x| of the block; scales[b] = amax / 127; codes = round_even(x *
//   (127 / amax)). amax < 2^-100: scale 0, codes 0. A block with an infinity or NaN: scale NaN,
//   codes 0: products show NaN.
//   int8_block256: the same with the amax and the finiteness of 256 elements; each of the eight
//   blocks of 32 has their scale.
//   int8_token: the same with the amax and the finiteness of the whole row; all blocks have the
//   row's scale.
//   int8_tensor: the same with the amax and the finiteness of all rows of the call.
//   int8_static: codes = round_even(x / scale), saturating at -127 and 127; the linear's scale. A
//   row with an infinity or NaN: scale NaN, codes 0.
//   int8_outliers, int8_outliers_live: as int8_token rounds the row with its outlier columns 0,
//   whatever they hold.
struct QuantizeRowsFunctions {
  MeasureRow measure;
#define FARTHING_ACTIVATIONS(name, ...)
#define FARTHING_FLOAT_ACTIVATIONS(name, ...)
#define FARTHING_INT8_ACTIVATIONS(name, ...) QuantizeRow name;
#include "formats/activations.inc"
#undef FARTHING_INT8_ACTIVATIONS

  // Null for formats of other codes.
  QuantizeRow of(Activations activations) const {
    switch (activations) {
#define FARTHING_INT8_ACTIVATIONS(name, ...) \
  case Activations::name:                    \
    return name;
#include "formats/activations.inc"
#undef FARTHING_INT8_ACTIVATIONS
#undef FARTHING_FLOAT_ACTIVATIONS
#undef FARTHING_ACTIVATIONS
      default:
        return nullptr;
    }
  }
};

using QuantizeRowsKernel = Kernel<QuantizeRowsFunctions>;
std::span<const QuantizeRowsKernel> quantize_rows_kernels();
const QuantizeRowsKernel& choose_quantize_rows_kernel(Isa isa);

}  // namespace farthing
