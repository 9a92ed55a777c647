// What a narrow float type would do to values: how many overflow, are clipped, become subnormal or
// vanish.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/thread_pool.h"

namespace farthing {

// A float type of at most 16 bits as `farthing inspect --ranges` asks about it, and the bounds that
// decide what round to nearest even makes of a magnitude.
struct NarrowFloat {
  std::string_view name;
  float largest;  // finite
  float smallest_normal;
  float smallest;  // subnormal
  bool infinity;   // false: what is too large takes the largest value

  float beyond_from;      // magnitudes from here on round beyond the largest value
  float subnormal_below;  // magnitudes below round to a subnormal or to zero
  float zero_up_to;       // magnitudes up to here round to zero
};
inline constexpr int narrow_float_count = 5;
// f16, bf16, fp8_e4m3, fp8_e5m2, fp4_e2m1.
std::span<const NarrowFloat, narrow_float_count> narrow_floats();

// What a conversion without any scale would do. Every finite value is in at most one count.
struct RangeCounts {
  int64_t overflowed = 0;  // too large, becomes infinity
  int64_t clipped = 0;     // too large, becomes the largest value (types without infinity)
  int64_t subnormal = 0;   // keeps fewer bits than the type has
  int64_t vanished = 0;    // not zero, becomes zero
  RangeCounts& operator+=(const RangeCounts& other);
  bool operator==(const RangeCounts&) const = default;
};

struct ValueRanges {
  int64_t values = 0;
  int64_t nonfinite = 0;  // NaN and infinities: counted nowhere else
  int64_t zeros = 0;
  float low = 0, high = 0;  // of the finite values; 0 where there are none
  double mean = 0, variance = 0;
  double kurtosis = 0;  // fourth central moment / variance^2: 3 for a normal distribution; 0 where
                        // all values are equal
  std::array<RangeCounts, narrow_float_count> narrow;  // in the order of narrow_floats()
  float amax() const { return high > -low ? high : -low; }
};

// The same result for any number of threads: moments are added in pieces of 65536 values.
ValueRanges count_ranges(ThreadPool& pool, std::span<const float> values);

}  // namespace farthing
