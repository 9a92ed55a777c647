// The element E4M3 against every code point of ml_dtypes, and scale blocks of every shape.
#include "formats/scaled_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/random.h"
#include "formats/e4m3.h"
#include "io/safetensors/safetensors.h"

namespace farthing {

static void PrintTo(const Format& format, std::ostream* to) { *to << format.name; }

namespace {

Tensor golden(const std::string& name) {
  return SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/formats/data/golden.safetensors")
      .value()
      .tensor(name)
      .value();
}

TEST(E4m3, EveryCodePointIsThatOfMlDtypes) {
  const Tensor points = golden("e4m3.points");
  ASSERT_EQ(points.shape().elements(), 256);
  for (int code = 0; code < 256; ++code) {
    const float ours = E4m3::decode(static_cast<uint8_t>(code)), theirs = points.as<float>()[code];
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(ours) && std::isnan(theirs)) << code;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(ours), std::bit_cast<uint32_t>(theirs)) << code;
    }
  }
}

TEST(E4m3, EveryCodePointIsItsOwnCode) {
  for (int code = 0; code < 256; ++code)
    EXPECT_EQ(E4m3::encode(E4m3::decode(static_cast<uint8_t>(code))) & 0x7f, code & 0x7f);
  EXPECT_EQ(E4m3::encode(-1.0f), 0xb8);
}

TEST(E4m3, TiesNeighboursAndEndsAreEncodedAsMlDtypesDoes) {
  const Tensor values = golden("e4m3.values"), codes = golden("e4m3.codes");
  ASSERT_GE(values.shape().elements(), 8 * 126);
  for (int64_t i = 0; i < values.shape().elements(); ++i)
    ASSERT_EQ(static_cast<int>(E4m3::encode(values.as<float>()[i])),
              static_cast<int>(codes.as<uint8_t>()[i]))
        << values.as<float>()[i];
}

TEST(E4m3, InfinitiesSaturateAndNanStaysNan) {
  EXPECT_EQ(E4m3::encode(INFINITY), 0x7e);
  EXPECT_EQ(E4m3::encode(-INFINITY), 0xfe);
  EXPECT_EQ(E4m3::encode(NAN) & 0x7f, 0x7f);
}

// A format of these parts with the name of its vectors.
template <int64_t rows, int64_t columns>
Format format_of(std::string_view name) {
  Format format = ScaledFloat<E4m3, rows, columns>::format();
  format.name = name;
  return format;
}

class ScaleBlocks : public ::testing::TestWithParam<Format> {};

TEST_P(ScaleBlocks, EncodeToTheGoldenBytesAndDecodeToTheGoldenBits) {
  const Format& format = GetParam();
  const std::string name(format.name);
  const Tensor values = golden("values"), codes = golden(name + ".codes"),
               scales = golden(name + ".scales"), decoded = golden(name + ".decoded");
  const int64_t n = values.shape()[0], k = values.shape()[1];
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  const EncodeReport report =
      format.encode_tile(q, {0, n, 0, k}, values.as<float>(), k, ScaleRule::half_step);
  EXPECT_EQ(report.nonfinite + report.overflowed_scales + report.clipped, 0);
  ASSERT_EQ(q.planes[1].shape(), scales.shape());
  EXPECT_EQ(std::memcmp(q.planes[0].data(), codes.data(), static_cast<size_t>(codes.bytes())), 0);
  EXPECT_EQ(std::memcmp(q.planes[1].data(), scales.data(), static_cast<size_t>(scales.bytes())), 0);
  const Tensor ours = q.decode();
  EXPECT_EQ(std::memcmp(ours.data(), decoded.data(), static_cast<size_t>(ours.bytes())), 0);
}

TEST_P(ScaleBlocks, ATileDecodesAsThePartOfTheWhole) {
  const Format& format = GetParam();
  const Tensor values = golden("values");
  const int64_t n = values.shape()[0], k = values.shape()[1];
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  format.encode_tile(q, {0, n, 0, k}, values.as<float>(), k, ScaleRule::half_step);
  const Tensor whole = q.decode();
  std::vector<float> tile(9 * 70);
  format.decode_tile(q, {5, 14, 64, 134}, tile.data(), 70);
  for (int64_t i = 0; i < 9; ++i)
    EXPECT_EQ(std::memcmp(&tile[static_cast<size_t>(i * 70)], whole.as<float>() + (5 + i) * k + 64,
                          70 * sizeof(float)),
              0)
        << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, ScaleBlocks,
                         ::testing::Values(format_of<1, 0>("fp8_e4m3_row"),
                                           format_of<0, 0>("fp8_e4m3_tensor"),
                                           format_of<1, 32>("fp8_e4m3_g32"),
                                           format_of<8, 128>("fp8_e4m3_8x128")),
                         [](const auto& info) { return std::string(info.param.name); });

Format fp8() { return format_of<1, 0>("fp8_e4m3_row"); }

// Four bits of precision: half a step is 2^-4 of a value; below 2^-6 scales it is 2^-10 scales. The
// quotient's and the product's roundings add 2^-23 of the value.
TEST(ScaledFloat, TheErrorIsAtMostHalfAStep) {
  const Format format = fp8();
  const int64_t n = 8, k = 576;
  std::vector<float> values(static_cast<size_t>(n * k));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = 0.05f * random_normal(11, 1, i) * (i % 5 == 0 ? 1e-3f : 1.0f);
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  const EncodeReport report =
      format.encode_tile(q, {0, n, 0, k}, values.data(), k, ScaleRule::half_step);
  EXPECT_EQ(report.clipped, 0);
  const Tensor decoded = q.decode();
  for (int64_t i = 0; i < n * k; ++i) {
    const float w = values[static_cast<size_t>(i)], scale = q.planes[1].as<float>()[i / k];
    const float bound = std::max(std::fabs(w) * (0x1p-4f + 0x1p-23f), scale * 0x1p-10f);
    ASSERT_LE(std::fabs(decoded.as<float>()[i] - w), bound) << i;
  }
}

TEST(ScaledFloat, ScalesMayBeOfAnyFloatType) {
  const Format format = fp8();
  std::vector<float> values(256);
  for (size_t i = 0; i < values.size(); ++i) values[i] = random_normal(11, 2, i);
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32}) {
    QuantizedTensor q = QuantizedTensor::allocate(format, 1, 256, dtype);
    format.encode_tile(q, {0, 1, 0, 256}, values.data(), 256, ScaleRule::half_step);
    EXPECT_EQ(q.planes[1].dtype(), dtype);
    const float scale = load_scale(q.planes[1], 0);
    const Tensor decoded = q.decode();
    for (int64_t i = 0; i < 256; ++i)
      EXPECT_EQ(decoded.as<float>()[i],
                scale * E4m3::decode(E4m3::encode(values[static_cast<size_t>(i)] / scale)));
  }
}

// The least float is 2^-149. Scales of up to half of it round to zero; 1.4 times it is stored as
// 2^-149, and the extremes, 627 steps, are beyond 448 by more than the last step.
TEST(ScaledFloat, RowsTooSmallForTheirScaleAreCounted) {
  const Format format = fp8();
  std::vector<float> values(96, 0.0f);
  values[5] = 200 * 0x1p-149f;
  values[40] = 627 * 0x1p-149f;
  values[41] = -627 * 0x1p-149f;
  QuantizedTensor q = QuantizedTensor::allocate(format, 3, 32);
  const EncodeReport report =
      format.encode_tile(q, {0, 3, 0, 32}, values.data(), 32, ScaleRule::half_step);
  EXPECT_EQ(report.flushed_groups, 1);
  EXPECT_EQ(report.zero_groups, 1);
  EXPECT_EQ(report.clipped, 2);
  EXPECT_EQ(q.planes[1].as<float>()[0], 1.0f);
  const Tensor decoded = q.decode();
  EXPECT_EQ(decoded.as<float>()[5], 0.0f);
  EXPECT_EQ(decoded.as<float>()[40], 448 * 0x1p-149f);
  EXPECT_EQ(decoded.as<float>()[41], -448 * 0x1p-149f);
}

TEST(ScaledFloat, TheLargestFloatSurvives) {
  const Format format = fp8();
  const std::vector<float> values(32, std::numeric_limits<float>::max());
  QuantizedTensor q = QuantizedTensor::allocate(format, 1, 32);
  const EncodeReport report =
      format.encode_tile(q, {0, 1, 0, 32}, values.data(), 32, ScaleRule::half_step);
  EXPECT_EQ(report.overflowed_scales, 0);
  EXPECT_EQ(q.decode().as<float>()[0], std::numeric_limits<float>::max());
  QuantizedTensor halves = QuantizedTensor::allocate(format, 1, 32, DType::f16);
  EXPECT_EQ(format.encode_tile(halves, {0, 1, 0, 32}, values.data(), 32, ScaleRule::half_step)
                .overflowed_scales,
            1);
}

}  // namespace
}  // namespace farthing
