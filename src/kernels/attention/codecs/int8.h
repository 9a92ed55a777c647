// KvInt8: 8-bit codes with one f32 scale for each token and head.
//
// scale = amax / 127 over the head's components; code = nearest even of x (127 / amax), -127..127,
// stored plus 128. amax < 2^-100: scale 0. A vector with an infinity or a NaN: scale NaN, so that
// the damage is seen. Value: scale * code, one rounding.
#pragma once

#include "formats/scale_rule.h"
#include "kernels/attention/kv_codec.h"

namespace farthing {

struct KvInt8 {
  static constexpr const char* description = "int8, a scale for each token and head";
  static constexpr int64_t element_bytes = 1;
  static constexpr KvScaling scaling = KvScaling::of_position;

  static void encode(const float* x, int64_t count, std::byte* elements, int64_t stride,
                     float* scale) {
    const Extremes extremes = extremes_of(x, count);
    const float amax = extremes.amax();
    const bool codable = extremes.finite && amax >= 0x1p-100f;
    const float inverse = codable ? 127.0f / amax : 0.0f;
    for (int64_t i = 0; i < count; ++i) {
      const int code = codable ? static_cast<int>(round_even(x[i] * inverse)) : 0;
      elements[i * stride] = static_cast<std::byte>(code + 128);
    }
    *scale = !extremes.finite ? __builtin_nanf("") : codable ? amax / 127.0f : 0.0f;
  }
  template <class Vec>
  static inline __attribute__((always_inline)) Vec load(const std::byte* elements, int64_t i) {
    return Vec::load_bytes(reinterpret_cast<const uint8_t*>(elements) + i) - Vec::broadcast(128.0f);
  }
};

}  // namespace farthing
