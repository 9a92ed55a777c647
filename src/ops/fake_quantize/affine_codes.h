// Affine quantization to whole codes and back: Q = round(R / S) + Z, R = (Q - Z) S.
#pragma once

#include <optional>
#include <string_view>

#include "ops/fake_quantize/fake_quantize.h"

namespace farthing::ops {

// How a quotient becomes a whole number.
enum class Rounding {
  half_even,    // the nearest, ties to the even one: IEEE 754, numpy.rint, torch.round; Farthing's
  half_away,    // the nearest, ties away from 0: C's round(), ggml's q8_0
  half_up,      // the nearest, ties up: floor(t + 1/2)
  down,         // the next one below
  up,           // the next one above
  toward_zero,  // without its fraction
};
inline constexpr Rounding all_roundings[] = {Rounding::half_even, Rounding::half_away,
                                             Rounding::half_up,   Rounding::down,
                                             Rounding::up,        Rounding::toward_zero};
std::string_view rounding_name(Rounding rounding);  // "half_even", ...
std::optional<Rounding> find_rounding(std::string_view name);

// codes = clamp(round(x / s) + z, qmin, qmax), all [m, n]; scales and zero points as
// fake_quantize_forward takes them. The quotient is rounded to f32 once; all that follows is exact.
// A quotient that is NaN has no code: it gets the zero point. Returns how many there are.
int64_t affine_quantize(Context& context, View<const float, 2> x, const AffineGrid& grid,
                        std::span<const float> scales, std::span<const int32_t> zero_points,
                        Rounding rounding, View<int32_t, 2> codes);

// out = (q - z) s, in one rounding to f32, both [m, n]: with half_even the bits of
// fake_quantize_forward. A code outside qmin..qmax is a CHECK.
void affine_dequantize(Context& context, View<const int32_t, 2> codes, const AffineGrid& grid,
                       std::span<const float> scales, std::span<const int32_t> zero_points,
                       View<float, 2> out);

}  // namespace farthing::ops
