// The bounds of narrow float types at their edges, and the counts.
#include "formats/ranges.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "tensor/dtype.h"

namespace farthing {
namespace {

enum Type { f16, bf16, e4m3, e5m2, e2m1 };

ValueRanges count(std::vector<float> values) {
  static ThreadPool pool(1);
  return count_ranges(pool, values);
}

RangeCounts count(Type type, float value) { return count({value}).narrow[type]; }

const RangeCounts fits{}, overflowed{.overflowed = 1}, clipped{.clipped = 1},
    subnormal{.subnormal = 1}, vanished{.vanished = 1};

float after(float x) { return std::nextafterf(x, INFINITY); }
float before(float x) { return std::nextafterf(x, 0.0f); }

struct Edges {
  Type type;
  const char* name;
  float largest;       // from the type's specification
  float first_beyond;  // the least magnitude that rounds beyond it
  bool infinity;
  float smallest_normal, smallest;
};

// f16: IEEE 754; bf16: f32's exponents; OCP 8-bit and MX specifications for the others. The step
// above the largest value is 32 (f16), 2^120 (bf16), 32 (e4m3), 8192 (e5m2), 2 (e2m1); half of it
// is the tie. e4m3's 448 is even: there the tie belongs to it.
const Edges all_edges[] = {{f16, "f16", 65504, 65520, true, 0x1p-14f, 0x1p-24f},
                           {bf16, "bf16", 0x1.fep127f, 0x1.ffp127f, true, 0x1p-126f, 0x1p-133f},
                           {e4m3, "fp8_e4m3", 448, 464.00003f, false, 0x1p-6f, 0x1p-9f},
                           {e5m2, "fp8_e5m2", 57344, 61440, true, 0x1p-14f, 0x1p-16f},
                           {e2m1, "fp4_e2m1", 6, 7, false, 1, 0.5f}};

class NarrowFloats : public testing::TestWithParam<Edges> {};

TEST_P(NarrowFloats, AreDescribedByTheirSpecification) {
  const Edges& edges = GetParam();
  const NarrowFloat& type = narrow_floats()[edges.type];
  EXPECT_EQ(type.name, edges.name);
  EXPECT_EQ(type.largest, edges.largest);
  EXPECT_EQ(type.smallest_normal, edges.smallest_normal);
  EXPECT_EQ(type.smallest, edges.smallest);
}

TEST_P(NarrowFloats, OverflowBeginsWhereRoundingGoesBeyondTheLargestValue) {
  const Edges& edges = GetParam();
  const RangeCounts beyond = edges.infinity ? overflowed : clipped;
  for (const float sign : {1.0f, -1.0f}) {
    EXPECT_EQ(count(edges.type, sign * edges.largest), fits);
    EXPECT_EQ(count(edges.type, sign * before(edges.first_beyond)), fits);
    EXPECT_EQ(count(edges.type, sign * edges.first_beyond), beyond);
    EXPECT_EQ(count(edges.type, sign * std::numeric_limits<float>::max()), beyond);
  }
}

TEST_P(NarrowFloats, SubnormalsEndWhereRoundingReachesTheSmallestNormal) {
  const Edges& edges = GetParam();
  const float bound =
      edges.smallest_normal - edges.smallest / 2;  // a tie, and the normal number is even
  for (const float sign : {1.0f, -1.0f}) {
    EXPECT_EQ(count(edges.type, sign * edges.smallest_normal), fits);
    EXPECT_EQ(count(edges.type, sign * bound), fits);
    EXPECT_EQ(count(edges.type, sign * before(bound)), subnormal);
    EXPECT_EQ(count(edges.type, sign * edges.smallest), subnormal);
  }
}

TEST_P(NarrowFloats, HalfTheSmallestValueVanishes) {
  const Edges& edges = GetParam();
  for (const float sign : {1.0f, -1.0f}) {
    EXPECT_EQ(count(edges.type, sign * after(edges.smallest / 2)), subnormal);
    EXPECT_EQ(count(edges.type, sign * edges.smallest / 2), vanished);  // a tie, and zero is even
    EXPECT_EQ(count(edges.type, sign * std::numeric_limits<float>::denorm_min()), vanished);
    EXPECT_EQ(count(edges.type, sign * 0.0f), fits);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, NarrowFloats, testing::ValuesIn(all_edges),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CountRanges, AgreesWithTheConversionsOfRandomBits) {
  for (uint64_t i = 0; i < 50'000; ++i) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(random_bits(3, 0, i)));
    if (!std::isfinite(x) || x == 0) continue;
    const auto check = [&](Type type, float converted) {
      const float magnitude = std::fabs(converted);
      const RangeCounts& wanted = std::isinf(converted)                               ? overflowed
                                  : magnitude == 0                                    ? vanished
                                  : magnitude < narrow_floats()[type].smallest_normal ? subnormal
                                                                                      : fits;
      EXPECT_EQ(count(type, x), wanted) << x;
    };
    check(f16, f32_from_f16(f16_from_f32(x)));
    check(bf16, f32_from_bf16(bf16_from_f32(x)));
  }
}

TEST(CountRanges, NonfiniteValuesAreCountedApart) {
  const ValueRanges ranges = count({1, NAN, INFINITY, -INFINITY, 3});
  EXPECT_EQ(ranges.values, 5);
  EXPECT_EQ(ranges.nonfinite, 3);
  EXPECT_EQ(ranges.low, 1);
  EXPECT_EQ(ranges.high, 3);
  EXPECT_EQ(ranges.mean, 2);
  for (const RangeCounts& counts : ranges.narrow) EXPECT_EQ(counts, fits);
}

TEST(CountRanges, NothingHasNoRange) {
  for (const std::vector<float>& values : {std::vector<float>{}, {NAN}}) {
    const ValueRanges ranges = count(values);
    EXPECT_EQ(ranges.low, 0);
    EXPECT_EQ(ranges.kurtosis, 0);
  }
}

TEST(CountRanges, MomentsAreThoseOfKnownSets) {
  // Two points: kurtosis 1. A point out of n: (n^2 - 3n + 3) / (n - 1) with n = 5 gives 13 / 4.
  EXPECT_EQ(count({-1, 1}).kurtosis, 1);
  EXPECT_EQ(count({-1, 1}).variance, 1);
  EXPECT_NEAR(count({0, 0, 0, 0, 1}).kurtosis, 13.0 / 4, 1e-14);
  EXPECT_EQ(count({4, 4, 4}).kurtosis, 0);
  EXPECT_EQ(count({-5, -3}).high, -3);
}

TEST(CountRanges, IsTheSameForAnyNumberOfThreads) {
  std::vector<float> values;
  for (uint64_t i = 0; i < 200'000; ++i) values.push_back(random_normal(1, 0, i));
  ThreadPool one(1), three(3);
  const ValueRanges a = count_ranges(one, values), b = count_ranges(three, values);
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.variance, b.variance);
  EXPECT_EQ(a.kurtosis, b.kurtosis);
  EXPECT_EQ(a.narrow, b.narrow);
  // The sum of twelve uniforms has kurtosis 3 - 6 / (5 * 12) = 2.9; the estimate's deviation is
  // sqrt(24 / n) = 0.011.
  EXPECT_NEAR(a.kurtosis, 2.9, 0.055);
}

}  // namespace
}  // namespace farthing
