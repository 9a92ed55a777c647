// The dynamic 8-bit map of bitsandbytes: 256 numbers in [-1, 1] with more of them near zero.
//
// For each exponent e in -6..0: 2^(e+6) numbers 10^e m, and their negatives, where m are the
// middles of equal parts of [0.1, 1]; then 0 and 1. Every step is rounded to f32, as bitsandbytes
// (its create_dynamic_map, with torch) rounds it: tests hold its 256 numbers. Source: "8-bit
// Approximations for Parallelism in Deep Learning", arXiv 1511.04561.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace farthing {

class DynamicMap {
 public:
  constexpr DynamicMap() {
    constexpr float powers[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
    size_t next = 0;
    for (int i = 0; i < 7; ++i) {
      const int parts = 1 << i;
      for (int j = 0; j < parts; ++j) {
        const float middle = (boundary(j, parts) + boundary(j + 1, parts)) / 2.0f;
        values_[next++] = powers[i] * middle;
        values_[next++] = -(powers[i] * middle);
      }
    }
    values_[next++] = 0;
    values_[next++] = 1;
    std::sort(values_.begin(), values_.end());
    for (size_t i = 0; i < 255; ++i) bounds_[i] = (values_[i] + values_[i + 1]) / 2.0f;
  }

  constexpr float decode(uint8_t code) const { return values_[code]; }
  // The nearest number's code, the lower one of two that are equally near.
  constexpr uint8_t encode(float x) const {
    return static_cast<uint8_t>(std::lower_bound(bounds_.begin(), bounds_.end(), x) -
                                bounds_.begin());
  }

 private:
  // As torch.linspace(0.1, 1, parts + 1) with AVX2 and AVX-512: from the nearer end, product and
  // sum rounded once (both are exact in double).
  static constexpr float boundary(int j, int parts) {
    constexpr float low = 0.1f;
    const double step = (1.0f - low) / static_cast<float>(parts);
    return static_cast<float>(j < (parts + 1) / 2 ? low + step * j : 1 - step * (parts - j));
  }
  std::array<float, 256> values_{};
  std::array<float, 255> bounds_{};
};

}  // namespace farthing
