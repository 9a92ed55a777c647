// Rounding activation rows to the values of a format whose product reads floats.
#pragma once

#include <cstdint>

#include "formats/activations.h"

namespace farthing {

// One row x[k] to values[k]: scale * element, as f32. A group that holds an infinity or a NaN
// becomes NaN as a whole (bf16 has no groups: it keeps them). `input`: of static formats.
// fixed_order: elementwise, and maxima.
using RoundFloatRow = void (*)(const float* x, int64_t k, const StaticInput& input,
                               float* values) noexcept;

// A function for each float activation format (formats/activations.inc); null for all others. One
// for all instruction sets: the compiler's vectors give the same bits, and rounding a row of k is
// little beside its n k products.
//   bf16:           the nearest bf16, ties to even.
//   fp8_e4m3_token: as the weight format fp8_e4m3_row with f32 scales rounds a row.
//   fp8_e4m3_g128:  as fp8_e4m3_g128 does.
//   mxfp8, mxfp4:   as the weight formats of these names do, by the rule floor.
//   nvfp4:          as the weight format of this name does with the tensor scale input.scale.
//   int8_static_asym: scale (c - zero), c = round_even(x / scale) + zero, saturating at -128 and
//                   127; the row is the group.
//   fp8_e4m3_static: scale E4M3(x / scale), saturating; the row is the group.
RoundFloatRow float_row_rounding(Activations activations);

}  // namespace farthing
