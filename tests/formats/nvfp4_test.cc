// NVFP4: two levels of scales, four over six, and where they end.
#include "formats/small_floats/nvfp4.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace farthing {
namespace {

QuantizedTensor encoded(const char* name, const std::vector<float>& values, int64_t k,
                        EncodeReport* report = nullptr) {
  const auto n = static_cast<int64_t>(values.size()) / k;
  QuantizedTensor q = QuantizedTensor::allocate(*find_format(name), n, k);
  const EncodeReport met = q.encode(values.data(), k, ScaleRule::half_step);
  if (report != nullptr) *report = met;
  return q;
}

TEST(Nvfp4, TheTensorScaleMapsTheLargestWeightToTheLargestProduct) {
  std::vector<float> values(64, 1.0f);
  values[40] = -2688.0f;  // 448 * 6
  const QuantizedTensor q = encoded("nvfp4", values, 32);
  EXPECT_EQ(q.planes[2].as<float>()[0], 1.0f);
  EXPECT_EQ(E4m3::decode(q.planes[1].as<uint8_t>()[2]), 448.0f);
  EXPECT_EQ(q.decode().as<float>()[40], -2688.0f);
  // of the others: 1 / 6 rounded to E4M3
  EXPECT_EQ(E4m3::decode(q.planes[1].as<uint8_t>()[0]), 0.171875f);
}

// 1/229376 of the largest weight is mapped to the least scale, 2^-9: what is a quarter of that
// vanishes.
TEST(Nvfp4, BlocksFarBelowTheLargestKeepTheLeastScale) {
  std::vector<float> values(48, 0.0f);
  values[0] = 2688.0f;
  values[16] = 0.25f * 0x1p-9f;
  values[32] = 0.26f * 0x1p-9f;
  EncodeReport report;
  const QuantizedTensor q = encoded("nvfp4", values, 48, &report);
  EXPECT_EQ(q.planes[1].as<uint8_t>()[1], 1);
  EXPECT_EQ(q.planes[1].as<uint8_t>()[2], 1);
  EXPECT_EQ(report.flushed_groups, 1);
  EXPECT_EQ(report.zero_groups, 0);
  EXPECT_EQ(q.decode().as<float>()[16], 0.0f);
  EXPECT_EQ(q.decode().as<float>()[32], 0.5f * 0x1p-9f);
}

TEST(Nvfp4, ZerosHaveScaleOne) {
  EncodeReport report;
  const QuantizedTensor q = encoded("nvfp4", std::vector<float>(32, 0.0f), 32, &report);
  EXPECT_EQ(q.planes[2].as<float>()[0], 1.0f);
  EXPECT_EQ(E4m3::decode(q.planes[1].as<uint8_t>()[0]), 1.0f);
  EXPECT_EQ(report.zero_groups, 2);
}

TEST(Nvfp4, TheEndsOfTheRangeOfFloatsDecodeToNumbers) {
  for (const char* name : {"nvfp4", "nvfp4_46"}) {
    for (const float amax : {std::numeric_limits<float>::max(), 0x1p-126f, 0x1p-140f, 0x1p-149f}) {
      std::vector<float> values(32, amax);
      values[3] = 0;
      EncodeReport report;
      const Tensor decoded = encoded(name, values, 32, &report).decode();
      EXPECT_EQ(report.overflowed_scales, 0) << amax;
      for (int i = 0; i < 32; ++i)
        EXPECT_TRUE(std::isfinite(decoded.as<float>()[i])) << name << " " << amax;
    }
  }
}

// g = 2^-138 / 2688 is stored as 2^-149, and 2^-9 times that rounds to 0.
TEST(Nvfp4, ABlockWhoseProductOfScalesVanishesHasZeroCodes) {
  std::vector<float> values(32, 0.0f);
  values[0] = 0x1p-138f;
  values[16] = 0x1p-149f;
  EncodeReport report;
  const QuantizedTensor q = encoded("nvfp4", values, 32, &report);
  EXPECT_EQ(q.planes[2].as<float>()[0], 0x1p-149f);
  EXPECT_EQ(q.planes[1].as<uint8_t>()[1], 1);
  EXPECT_EQ(report.flushed_groups, 1);
  for (int i = 8; i < 16; ++i) EXPECT_EQ(q.planes[0].as<uint8_t>()[i], 0) << i;
}

// Files that store what divides have an f32 for it, and no weight is clipped for that: the largest
// keeps code 6 under scale 448, though both quotients may lie above by two roundings.
TEST(Nvfp4, TheTensorScaleIsTheReciprocalOfAnF32) {
  int moved = 0;
  for (uint64_t stream = 0; stream < 200; ++stream) {
    std::vector<float> values(32);
    for (size_t i = 0; i < values.size(); ++i) values[i] = random_normal(5, stream, i);
    const float amax = extremes_of(values.data(), 32).amax();
    for (const auto& [name, largest] :
         {std::pair{"nvfp4", 448.0f}, std::pair{"nvfp4_46", 256.0f}}) {
      EncodeReport report;
      const QuantizedTensor q = encoded(name, values, 32, &report);
      const float g = q.planes[2].as<float>()[0], plain = amax / (largest * 6);
      moved += g != plain;
      EXPECT_NEAR(g, plain, plain * 0x1p-23f);
      bool stored = false;
      for (const float divisor : {1 / g, std::nextafter(1 / g, 0.0f), std::nextafter(1 / g, 1e38f)})
        stored = stored || 1 / divisor == g;
      EXPECT_TRUE(stored) << name << " " << g;
      EXPECT_EQ(report.clipped, 0);
      EXPECT_EQ(report.overflowed_scales, 0);
      if (largest != 448.0f) continue;
      uint8_t most = 0;
      for (int i = 0; i < 2; ++i) most = std::max(most, q.planes[1].as<uint8_t>()[i]);
      EXPECT_EQ(E4m3::decode(most), 448.0f);
      EXPECT_NEAR(extremes_of(q.decode().as<float>(), 32).amax(), amax, amax * 0x1p-21f);
    }
  }
  EXPECT_GT(moved, 30);  // one in seven is no reciprocal by itself
}

TEST(Nvfp4, EncodeOfDecodeMovesTheTensorScaleByUnitsAlone) {
  for (uint64_t stream = 0; stream < 100; ++stream) {
    const char* const name = stream % 2 == 0 ? "nvfp4" : "nvfp4_46";
    SCOPED_TRACE(name);
    std::vector<float> values(512);
    for (size_t i = 0; i < values.size(); ++i) values[i] = random_normal(3, stream, i);
    const QuantizedTensor once = encoded(name, values, 128);
    const Tensor decoded = once.decode();
    const QuantizedTensor twice =
        encoded(name, {decoded.as<float>(), decoded.as<float>() + 512}, 128);
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(std::memcmp(once.planes[i].data(), twice.planes[i].data(),
                            static_cast<size_t>(once.planes[i].bytes())),
                0);
    const float g = once.planes[2].as<float>()[0];
    // of the largest weight, of its quotient, and of two reciprocals
    EXPECT_NEAR(twice.planes[2].as<float>()[0], g, g * 5 * 0x1p-24f);
  }
}

double squared_error(const QuantizedTensor& q, const std::vector<float>& values, int64_t begin) {
  const Tensor decoded = q.decode();
  double sum = 0;
  for (int64_t i = begin; i < begin + 16; ++i) {
    const double d = decoded.as<float>()[i] - static_cast<double>(values[static_cast<size_t>(i)]);
    sum += d * d;
  }
  return sum;
}

// 1536 = 256 * 6 makes g = 1. A block of 4 and 3s: mapped to 4 each has a code, to 6 the threes are
// 4.5 steps. A block of 6 and 1s is exact as it is; one of 6s alone is exact both ways.
TEST(Nvfp4, FourOverSixTakesTheSmallerError) {
  std::vector<float> values(64, 0.0f);
  values[0] = 1536.0f;
  for (int i = 16; i < 32; ++i) values[static_cast<size_t>(i)] = i == 16 ? 4.0f : 3.0f;
  for (int i = 32; i < 48; ++i) values[static_cast<size_t>(i)] = i == 32 ? 6.0f : 1.0f;
  for (int i = 48; i < 64; ++i) values[static_cast<size_t>(i)] = 6.0f;
  const QuantizedTensor q = encoded("nvfp4_46", values, 64);
  EXPECT_EQ(q.planes[2].as<float>()[0], 1.0f);
  const auto* scales = q.planes[1].as<uint8_t>();
  EXPECT_EQ(E4m3::decode(scales[0]), 256.0f);
  EXPECT_EQ(E4m3::decode(scales[1]), 1.0f);  // to 4
  EXPECT_EQ(E4m3::decode(scales[2]), 1.0f);  // to 6
  EXPECT_EQ(E4m3::decode(scales[3]), 1.0f);  // equal errors: to 6, not 1.5
  for (const int64_t begin : {16, 32, 48}) EXPECT_EQ(squared_error(q, values, begin), 0.0) << begin;
}

TEST(Nvfp4, FourOverSixIsNoWorseThanSixAloneInAnyBlock) {
  std::vector<float> values(16 * 200);
  for (size_t i = 0; i < values.size(); ++i) values[i] = random_normal(3, 9, i);
  values[0] = 1536.0f * 0x1p-8f;  // g = 2^-8, so that every scale can be had from either formula
  const QuantizedTensor q = encoded("nvfp4_46", values, 16);
  int fours = 0;
  for (int64_t b = 1; b < 200; ++b) {
    std::vector<float> alone(values.begin() + b * 16, values.begin() + b * 16 + 16);
    const float amax = extremes_of(alone.data(), 16).amax();
    const float six = E4m3::decode(Nvfp4<true>::scale_code(amax, 6, 0x1p-8f)) * 0x1p-8f;
    const double error = Nvfp4<true>::squared_error(alone.data(), 16, six);
    const double ours = squared_error(q, values, b * 16);
    EXPECT_LE(ours, error) << b;
    fours += ours < error;
  }
  EXPECT_GT(fours, 50);
}

}  // namespace
}  // namespace farthing
