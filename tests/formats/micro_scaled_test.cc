// MX formats: the three scale rules, the ends of the range, short blocks.
#include "formats/small_floats/micro_scaled.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace farthing {
namespace {

struct Block {
  int scale;  // the code e
  std::vector<float> decoded;
  EncodeReport report;
};

Block encode(const char* name, std::vector<float> values, ScaleRule rule) {
  values.resize(32, 0.0f);
  QuantizedTensor q = QuantizedTensor::allocate(*find_format(name), 1, 32);
  Block out;
  out.report = q.encode(values.data(), 32, rule);
  out.scale = q.planes[1].as<uint8_t>()[0];
  const Tensor decoded = q.decode();
  out.decoded.assign(decoded.as<float>(), decoded.as<float>() + 32);
  return out;
}

// Of E2M1, whose largest value is 6 = 1.5 * 2^2 with one bit of mantissa.
TEST(MicroScaled, TheRulesDifferWhereTheExtremeLiesBetweenSixAndEight) {
  struct Case {
    float amax;
    int floor, rceil, even;  // log2 of the scale
  };
  for (const Case& c : {Case{4.0f, 0, 0, 0}, Case{6.0f, 0, 0, 0}, Case{6.001f, 0, 1, 0},
                        Case{6.999f, 0, 1, 0}, Case{7.0f, 0, 1, 1}, Case{8.0f, 1, 1, 1},
                        Case{3.0f, -1, -1, -1}, Case{3.001f, -1, 0, -1}, Case{3.5f, -1, 0, 0}}) {
    EXPECT_EQ(encode("mxfp4", {-c.amax}, ScaleRule::floor).scale, 127 + c.floor) << c.amax;
    EXPECT_EQ(encode("mxfp4", {c.amax}, ScaleRule::rceil).scale, 127 + c.rceil) << c.amax;
    EXPECT_EQ(encode("mxfp4", {-c.amax}, ScaleRule::even).scale, 127 + c.even) << c.amax;
  }
}

TEST(MicroScaled, FloorSaturatesAndRceilNeverDoes) {
  const Block floor = encode("mxfp4", {7.9f, -7.9f}, ScaleRule::floor);
  EXPECT_EQ(floor.decoded[0], 6.0f);
  EXPECT_EQ(floor.decoded[1], -6.0f);
  const Block rceil = encode("mxfp4", {7.9f, -7.9f}, ScaleRule::rceil);
  EXPECT_EQ(rceil.decoded[0], 8.0f);
  EXPECT_EQ(rceil.decoded[1], -8.0f);
}

TEST(MicroScaled, TheDefaultRuleIsFloor) {
  for (const char* name : {"mxfp8", "mxfp8_e5m2", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp4"})
    EXPECT_EQ(find_format(name)->scale_rules.front(), ScaleRule::floor) << name;
}

TEST(MicroScaled, TheEndsOfTheRangeOfFloats) {
  for (const ScaleRule rule : {ScaleRule::floor, ScaleRule::rceil, ScaleRule::even}) {
    const float most = std::numeric_limits<float>::max();
    const Block large = encode("mxfp4", {most, -1.0f}, rule);
    EXPECT_LE(large.scale, 254);
    EXPECT_TRUE(std::isfinite(large.decoded[0]) || rule != ScaleRule::floor);
    // e = 0 is 2^-127; the least that is not zero is half of it, a tie with zero at a quarter
    const Block small = encode("mxfp4", {0x1p-127f, 0x1p-128f, 0x1p-129f, 0x1.8p-129f}, rule);
    EXPECT_EQ(small.scale, 0);
    EXPECT_EQ(small.decoded[0], 0x1p-127f);
    EXPECT_EQ(small.decoded[1], 0x1p-128f);
    EXPECT_EQ(small.decoded[2], 0.0f);
    EXPECT_EQ(small.decoded[3], 0x1p-128f);
    EXPECT_EQ(small.report.flushed_groups, 0);
    EXPECT_EQ(encode("mxfp4", {0x1p-130f}, rule).report.flushed_groups, 1);
    EXPECT_EQ(encode("mxfp4", {}, rule).scale, 0);
    EXPECT_EQ(encode("mxfp4", {}, rule).report.zero_groups, 1);
  }
}

TEST(MicroScaled, TheLastBlockOfARowMayBeShorter) {
  for (const char* name : {"mxfp8", "mxfp6_e2m3", "mxfp4"}) {
    const int64_t n = 2, k = 37;
    std::vector<float> values(static_cast<size_t>(n * k), 1.0f);
    values[36] = 4.0f;  // alone with four ones in the second block of the first row
    QuantizedTensor q = QuantizedTensor::allocate(*find_format(name), n, k);
    EXPECT_EQ(q.planes[1].shape(), (Shape{2, 2}));
    q.encode(values.data(), k, ScaleRule::rceil);
    const Tensor decoded = q.decode();
    for (int64_t i = 0; i < n * k; ++i)
      EXPECT_EQ(decoded.as<float>()[i], values[static_cast<size_t>(i)]) << name << " " << i;
    const auto* scales = q.planes[1].as<uint8_t>();
    EXPECT_EQ(scales[0], scales[2]) << name;
    EXPECT_GT(scales[1], scales[3]) << name;
  }
}

}  // namespace
}  // namespace farthing
