// Small floats of 8 bits with scale blocks of every shape.
#include "formats/small_floats/scaled_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/random.h"
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
  const EncodeReport report = q.encode(values.as<float>(), k, ScaleRule::half_step);
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
  q.encode(values.as<float>(), k, ScaleRule::half_step);
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

// 260 rows are three blocks of 128: the last one holds 4, and its scale is of those alone.
TEST(ScaledFloat, ABlockOfRowsHasTheScaleOfItsOwnWeights) {
  const Format& format = *find_format("fp8_e4m3_block128");
  const int64_t n = 260, k = 200;
  std::vector<float> values(static_cast<size_t>(n * k), 1.0f);
  values[static_cast<size_t>(127 * k + 127)] = -7.0f;  // the last of block (0, 0)
  values[static_cast<size_t>(128 * k + 128)] = 14.0f;  // the first of block (1, 1)
  values[static_cast<size_t>(259 * k + 5)] = 28.0f;
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  EXPECT_EQ(q.planes[1].shape(), (Shape{3, 2}));
  ThreadPool pool(3);
  q.encode(pool, values.data(), k, ScaleRule::half_step);
  const float expected[] = {7, 1, 1, 14, 28, 1};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(q.planes[1].as<float>()[i], expected[i] / 448) << i;
}

TEST(ScaledFloat, TheScaleOfATensorIsOfTheFiniteWeights) {
  for (const char* name : {"fp8_e4m3_tensor", "int8_tensor"}) {
    std::vector<float> values(4 * 64, 0.5f);
    values[70] = NAN;
    values[200] = -INFINITY;
    values[201] = -2.0f;
    QuantizedTensor q = QuantizedTensor::allocate(*find_format(name), 4, 64);
    ThreadPool pool(2);
    const EncodeReport report = q.encode(pool, values.data(), 64, ScaleRule::half_step);
    EXPECT_EQ(report.nonfinite, 2) << name;  // rows
    EXPECT_EQ(load_scale(q.planes[1], 0),
              name[0] == 'f' ? 2.0f / 448 : f32_from_f16(f16_from_f32(2.0f / 127.5f)));
  }
}

TEST(ScaledFloat, E5m2ReachesItsLargestValueAndRoundsToTwoBits) {
  const Format& format = *find_format("fp8_e5m2_row");
  std::vector<float> values(32, 0.0f);
  values[0] = -57344.0f;  // the scale is 1
  values[1] = 1.125f;     // a tie between 1 and 1.25
  values[2] = 1.375f;     // a tie between 1.25 and 1.5
  values[3] = 0x1p-16f;
  QuantizedTensor q = QuantizedTensor::allocate(format, 1, 32);
  q.encode(values.data(), 32, ScaleRule::half_step);
  const Tensor decoded = q.decode();
  const float expected[] = {-57344.0f, 1.0f, 1.5f, 0x1p-16f, 0.0f};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(decoded.as<float>()[i], expected[i]) << i;
}

}  // namespace
}  // namespace farthing
