// Counter-based random numbers: reproducible, and distributed as promised.
#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace farthing {
namespace {

TEST(RandomBits, TheFirstWordIsSplitMix64sOfZero) {
  // Published first output of SplitMix64 with seed 0 is e220a8397b1dcdaf = mix(0).
  // bits(s, t, i) = mix(mix(mix(s) ^ t) ^ i), so t = mix(0) and i = mix(0) leave mix(0).
  constexpr uint64_t first = 0xe220a8397b1dcdafu;
  EXPECT_EQ(random_bits(0, first, first), first);
}

TEST(RandomBits, SeedStreamAndIndexEachMatter) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (uint64_t stream = 0; stream < 20; ++stream)
      for (uint64_t index = 0; index < 20; ++index) seen.insert(random_bits(seed, stream, index));
  EXPECT_EQ(seen.size(), 8000u);  // a collision of 64-bit words has probability 2e-12
}

TEST(RandomUniform, StaysBelowOneWithMeanOneHalf) {
  constexpr int n = 100000;
  double sum = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const float value = random_uniform(1, 2, i);
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    sum += value;
  }
  // The mean of n uniforms has standard deviation 1/sqrt(12 n); five of them.
  EXPECT_NEAR(sum / n, 0.5, 5 / std::sqrt(12.0 * n));
}

TEST(RandomNormal, HasMeanZeroAndVarianceOne) {
  constexpr int n = 100000;
  double sum = 0, squares = 0, highest = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const double value = random_normal(1, 2, i);
    sum += value;
    squares += value * value;
    highest = std::max(highest, std::fabs(value));
  }
  // Standard deviations: of the mean 1/sqrt(n), of the variance at most sqrt(2/n) (lighter tails);
  // five of them.
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(double{n}));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2.0 / n));
  EXPECT_GT(highest, 3.5);  // P(|x| < 3.5 in all of them) < 1e-12 for a normal
  EXPECT_LE(highest, 6.0);
}

}  // namespace
}  // namespace farthing
