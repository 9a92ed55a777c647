// KvBf16: keys and values rounded to bfloat16, nearest even.
#pragma once

#include "kernels/attention/kv_codec.h"
#include "tensor/dtype.h"

namespace farthing {

struct KvBf16 {
  static constexpr const char* description = "bf16, rounded to nearest even";
  static constexpr int64_t element_bytes = 2;
  static constexpr KvScaling scaling = KvScaling::none;

  static void encode(const float* x, int64_t count, std::byte* elements, int64_t stride, float*) {
    uint16_t* to = reinterpret_cast<uint16_t*>(elements);
    for (int64_t i = 0; i < count; ++i) to[i * stride] = bf16_from_f32(x[i]);
  }
  template <class Vec>
  static inline __attribute__((always_inline)) Vec load(const std::byte* elements, int64_t i) {
    return Vec::load_bf16(reinterpret_cast<const uint16_t*>(elements) + i);
  }
};

}  // namespace farthing
