// KvF16: keys and values rounded to IEEE binary16, nearest even; beyond 65504 they are infinite.
#pragma once

#include "kernels/attention/kv_codec.h"
#include "tensor/dtype.h"

namespace farthing {

struct KvF16 {
  static constexpr const char* description = "f16, rounded to nearest even";
  static constexpr int64_t element_bytes = 2;
  static constexpr KvScaling scaling = KvScaling::none;

  static void encode(const float* x, int64_t count, std::byte* elements, int64_t stride, float*) {
    uint16_t* to = reinterpret_cast<uint16_t*>(elements);
    for (int64_t i = 0; i < count; ++i) to[i * stride] = f16_from_f32(x[i]);
  }
  template <class Vec>
  static inline __attribute__((always_inline)) Vec load(const std::byte* elements, int64_t i) {
    return Vec::load_f16(reinterpret_cast<const uint16_t*>(elements) + i);
  }
};

}  // namespace farthing
