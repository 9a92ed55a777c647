// What the tests of kernels over rows share: seeded rows, comparison of bits, and runs over a list
// of kernels.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/random.h"
#include "kernels/kernel_list.h"

namespace farthing {

// Row lengths around the width of vectors, of blocks, and those of small models.
inline std::vector<int64_t> row_lengths() {
  std::vector<int64_t> out;
  for (int64_t n = 1; n <= 70; ++n) out.push_back(n);
  for (int64_t n : {127, 576, 1000, 1023, 1024, 1025, 1536, 2077}) out.push_back(n);
  return out;
}

inline std::vector<float> random_row(int64_t n, uint64_t stream, float scale = 1.0f) {
  std::vector<float> out(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    out[i] = scale * random_normal(11, stream, static_cast<uint64_t>(i));
  return out;
}

// A row with zeros of both signs, denormals, huge numbers and, where wanted, infinities and NaN.
inline std::vector<float> hard_row(int64_t n, uint64_t stream, bool nonfinite) {
  const float inf = INFINITY;
  const std::vector<float> hard = {0.0f,    -0.0f,  0x1p-149f, -0x1p-130f, 3e38f,
                                   -3e38f,  1e-30f, -88.5f,    88.7f,      -103.9f,
                                   -104.1f, 1.0f,   inf,       -inf,       NAN};
  const uint64_t kinds = hard.size() - (nonfinite ? 0 : 3);
  std::vector<float> out = random_row(n, stream, 30.0f);
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t pick = random_bits(12, stream, static_cast<uint64_t>(i));
    if (pick % 3 == 0) out[i] = hard[(pick >> 8) % kinds];
  }
  return out;
}

// Any NaN equals any other: which of two NaNs an addition passes on is the compiler's choice.
inline void make_nans_equal(std::vector<float>& values) {
  for (float& value : values)
    if (std::isnan(value)) value = NAN;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Calls check(kernel, portable kernel) for every other kernel of a list that this machine can run.
template <class Functions, class Check>
void each_against_portable(std::span<const Kernel<Functions>> kernels, const Check& check) {
  ASSERT_EQ(kernels.front().isa, Isa::portable);
  for (const auto& kernel : kernels.subspan(1)) {
    if (!isa_supported(kernel.isa)) {
      std::printf("not run on this machine: %s\n", std::string(kernel.name).c_str());
      continue;
    }
    SCOPED_TRACE(std::string(kernel.name));
    check(kernel, kernels.front());
  }
}

// Distance in units in the last place of the f32 nearest to `exact`; a denormal's unit is 2^-149.
inline double ulp_error(float value, double exact) {
  if (std::isinf(value) && std::fabs(exact) > 3.4028235e38) return 0.0;
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::fabs(static_cast<double>(value) - exact) /
         std::ldexp(1.0, std::max(exponent - 24, -149));
}

}  // namespace farthing
