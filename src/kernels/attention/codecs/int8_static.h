// KvInt8Static: 8-bit codes with one f32 scale for each layer and kv head, fixed by a calibration.
//
// code = nearest even of x / scale, saturating at -127 and 127, stored plus 128. A vector with an
// infinity or a NaN: every byte 0, which decodes to NaN, so that the damage is seen. Value: scale *
// code, one rounding.
#pragma once

#include "formats/scale_rule.h"
#include "kernels/attention/kv_codec.h"

namespace farthing {

struct KvInt8Static {
  static constexpr const char* description = "int8, a calibrated scale for each layer and head";
  static constexpr int64_t element_bytes = 1;
  static constexpr KvScaling scaling = KvScaling::of_head;

  static void encode(const float* x, int64_t count, std::byte* elements, int64_t stride,
                     float* scale) {
    const bool finite = extremes_of(x, count).finite;
    for (int64_t i = 0; i < count; ++i) {
      const float steps = finite ? x[i] / *scale : 0.0f;
      const float code = round_even(steps < -127.0f ? -127.0f : steps > 127.0f ? 127.0f : steps);
      elements[i * stride] = static_cast<std::byte>(finite ? static_cast<int>(code) + 128 : 0);
    }
  }
  template <class Vec>
  static inline __attribute__((always_inline)) Vec load(const std::byte* elements, int64_t i) {
    const Vec bytes = Vec::load_bytes(reinterpret_cast<const uint8_t*>(elements) + i);
    // infinity * 0 is NaN, and `min` keeps a NaN that comes second
    return min(bytes - Vec::broadcast(128.0f), bytes * Vec::broadcast(__builtin_inff()));
  }
};

}  // namespace farthing
