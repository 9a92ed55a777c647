// Statistics in two levels: scales and zeros of a group of weights as 3-bit codes under a scale and
// a zero that 16 rows share.
#pragma once

#include "formats/scale_rule.h"
#include "tensor/dtype.h"

namespace farthing {

// What 16 rows' scales, or zeros, have in common; both are halves.
struct SecondLevel {
  static constexpr int last_code = 7;
  float scale = 0, zero = 0;

  static float half(float x) { return f32_from_f16(f16_from_f32(x)); }
  float value(int code) const { return half(scale * (static_cast<float>(code) - zero)); }
  int code(float x) const {
    if (!(scale > 0)) return 0;
    const float steps = x / scale + zero;
    const float low = steps < 0 ? 0 : steps;
    return static_cast<int>(round_even(low > last_code ? static_cast<float>(last_code) : low));
  }
  // Of a range that no half parts into steps, code 0 is the middle.
  static SecondLevel of(float low, float high) {
    const float scale = half((high - low) / last_code), zero = half(-low / scale);
    if (scale > 0 && is_finite(zero)) return {scale, zero};
    return {half(0.5f * (low + high)), -1};
  }
};

// Of one group of at most 16 rows, as it is stored.
struct TwoLevelStatistics {
  static constexpr int64_t rows = 16;
  SecondLevel scale, zero;
  int scale_codes[rows] = {}, zero_codes[rows] = {};

  float scale_of(int64_t row) const { return scale.value(scale_codes[row]); }
  float zero_of(int64_t row) const { return zero.value(zero_codes[row]); }
  bool finite() const { return is_finite(scale.scale) && is_finite(zero.scale); }

  // From `count` rows' .scale and .zero; one whose scale is 0 has no say, and codes 0.
  template <class Range>
  static TwoLevelStatistics of(const Range* wanted, int64_t count) {
    Extremes scales, zeros;
    bool any = false;
    for (int64_t i = 0; i < count; ++i) {
      const float s = wanted[i].scale, z = wanted[i].zero;
      if (s == 0) continue;
      scales.low = any && scales.low < s ? scales.low : s;
      scales.high = any && scales.high > s ? scales.high : s;
      zeros.low = any && zeros.low < z ? zeros.low : z;
      zeros.high = any && zeros.high > z ? zeros.high : z;
      any = true;
    }
    TwoLevelStatistics out;
    if (!any) return out;
    out.scale = SecondLevel::of(scales.low, scales.high);
    out.zero = SecondLevel::of(zeros.low, zeros.high);
    for (int64_t i = 0; i < count; ++i) {
      if (wanted[i].scale == 0) continue;
      out.scale_codes[i] = out.scale.code(wanted[i].scale);
      out.zero_codes[i] = out.zero.code(wanted[i].zero);
    }
    return out;
  }
};

}  // namespace farthing
