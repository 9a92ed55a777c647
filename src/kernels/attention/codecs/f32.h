// KvF32: keys and values as they are.
#pragma once

#include "kernels/attention/kv_codec.h"

namespace farthing {

struct KvF32 {
  static constexpr const char* description = "f32; exact";
  static constexpr int64_t element_bytes = 4;
  static constexpr KvScaling scaling = KvScaling::none;

  static void encode(const float* x, int64_t count, std::byte* elements, int64_t stride, float*) {
    float* to = reinterpret_cast<float*>(elements);
    for (int64_t i = 0; i < count; ++i) to[i * stride] = x[i];
  }
  template <class Vec>
  static inline __attribute__((always_inline)) Vec load(const std::byte* elements, int64_t i) {
    return Vec::load(reinterpret_cast<const float*>(elements) + i);
  }
};

}  // namespace farthing
