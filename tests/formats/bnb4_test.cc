// bitsandbytes' 4-bit formats: every number, blocks that cross rows, the second level.
#include "formats/bitsandbytes/bnb4.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/random.h"
#include "io/safetensors/safetensors.h"

namespace farthing {
namespace {

Tensor golden(const std::string& name) {
  return SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/formats/data/golden_scaled.safetensors")
      .value()
      .tensor(name)
      .value();
}

template <class Book>
void expect_numbers(const Tensor& points) {
  ASSERT_EQ(points.shape().elements(), 16);
  for (size_t code = 0; code < 16; ++code)
    EXPECT_EQ(Book::values[code], points.as<float>()[code]) << code;
  for (size_t i = 0; i + 1 < 16; ++i)
    EXPECT_LE(Book::values[Book::order[i]], Book::values[Book::order[i + 1]]) << i;
}

TEST(Bnb4, EveryNumberIsThatOfBitsandbytes) {
  expect_numbers<Nf4>(golden("nf4.points"));
  expect_numbers<BnbFp4>(golden("bnb_fp4.points"));
}

TEST(Bnb4, TheDynamicMapIsThatOfBitsandbytes) {
  const Tensor points = golden("dynamic_map.points");
  constexpr DynamicMap map;
  for (int code = 0; code < 256; ++code) {
    EXPECT_EQ(map.decode(static_cast<uint8_t>(code)), points.as<float>()[code]) << code;
    EXPECT_EQ(map.encode(points.as<float>()[code]), code);
  }
}

template <class Book>
float value_at(size_t place) {
  return Book::values[Book::order[place]];
}
template <class Book>
float value_near(float x) {
  return value_at<Book>(static_cast<size_t>(NearestOf16<Book>::index(x)));
}

TEST(Bnb4, OfTwoNumbersThatAreEquallyNearTheLowerIsTaken) {
  for (size_t i = 0; i < 15; ++i) {
    for (const float above : {0.0f, 2.0f}) {
      const auto near = [above](float bound) {
        return above == 0 ? bound : std::nextafter(bound, above);
      };
      const size_t wanted = above == 0 ? i : i + 1;
      EXPECT_EQ(value_near<Nf4>(near(NearestOf16<Nf4>::bounds[i])), value_at<Nf4>(wanted)) << i;
      EXPECT_EQ(value_near<BnbFp4>(near(NearestOf16<BnbFp4>::bounds[i])), value_at<BnbFp4>(wanted))
          << i;
    }
  }
}

TEST(Bnb4, ZeroOfEitherSignIsTheCode0OfFp4) {
  for (const float zero : {0.0f, -0.0f})
    EXPECT_EQ(BnbFp4::order[static_cast<size_t>(NearestOf16<BnbFp4>::index(zero))], 0);
}

class FlattenedBlocks : public ::testing::TestWithParam<std::string> {};

// [18, 91]: 64 divides no row, and the last block has 38 weights.
TEST_P(FlattenedBlocks, CrossRowsAsBitsandbytesHasThem) {
  const std::string name = GetParam() + "_flat";
  const Tensor values = golden(name + ".values"), codes = golden(name + ".codes"),
               absmax = golden(name + ".absmax"), decoded = golden(name + ".decoded");
  const int64_t n = values.shape()[0], k = values.shape()[1];
  ASSERT_NE(k % 64, 0);
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    QuantizedTensor q = QuantizedTensor::allocate(*find_format(GetParam()), n, k);
    q.encode(pool, values.as<float>(), k, ScaleRule::half_step);
    EXPECT_EQ(std::memcmp(q.planes[0].data(), codes.data(), static_cast<size_t>(codes.bytes())), 0);
    EXPECT_EQ(std::memcmp(q.planes[1].data(), absmax.data(), static_cast<size_t>(absmax.bytes())),
              0);
    const Tensor ours = q.decode();
    for (int64_t i = 0; i < n * k; ++i) ASSERT_EQ(ours.as<float>()[i], decoded.as<float>()[i]) << i;
  }
}
INSTANTIATE_TEST_SUITE_P(All, FlattenedBlocks, ::testing::Values("nf4", "bnb_fp4"),
                         [](const auto& info) { return info.param; });

TEST(Bnb4, TheEvenElementIsInTheHighNibble) {
  std::vector<float> values(64, 0.0f);
  values[0] = 1.0f;
  values[3] = -1.0f;
  QuantizedTensor q = QuantizedTensor::allocate(*find_format("nf4"), 1, 64);
  q.encode(values.data(), 64, ScaleRule::half_step);
  EXPECT_EQ(q.planes[0].as<uint8_t>()[0], 0xf7);
  EXPECT_EQ(q.planes[0].as<uint8_t>()[1], 0x70);
}

TEST(Bnb4, BlocksOfZerosDoNotDivideByTheirAbsmax) {
  for (const char* name : {"nf4", "nf4_dq", "bnb_fp4", "bnb_fp4_dq"}) {
    std::vector<float> values(3 * 64, 0.0f);
    values[70] = 0.5f;
    QuantizedTensor q = QuantizedTensor::allocate(*find_format(name), 3, 64);
    const EncodeReport report = q.encode(values.data(), 64, ScaleRule::half_step);
    EXPECT_EQ(report.zero_groups, 2) << name;
    const Tensor decoded = q.decode();
    for (int i = 0; i < 3 * 64; ++i) {
      if (i == 70) continue;
      EXPECT_EQ(decoded.as<float>()[i], 0.0f) << name << " " << i;
    }
  }
}

// An absmax is off by at most half the widest gap of the map, 0.0282 / 2, times its scale.
TEST(Bnb4, DoubleQuantizationKeepsTheAbsmaxesWithinHalfAGapOfTheMap) {
  const int64_t n = 70, k = 320;  // 350 blocks: two scales of the second level
  std::vector<float> values(static_cast<size_t>(n * k));
  for (size_t i = 0; i < values.size(); ++i) values[i] = random_normal(2, 1, i);
  QuantizedTensor once = QuantizedTensor::allocate(*find_format("nf4"), n, k),
                  twice = QuantizedTensor::allocate(*find_format("nf4_dq"), n, k);
  once.encode(values.data(), k, ScaleRule::half_step);
  twice.encode(values.data(), k, ScaleRule::half_step);
  EXPECT_EQ(std::memcmp(once.planes[0].data(), twice.planes[0].data(),
                        static_cast<size_t>(once.planes[0].bytes())),
            0);
  EXPECT_EQ(twice.planes[2].shape(), (Shape{2}));
  for (int64_t b = 0; b < 350; ++b)
    EXPECT_NEAR((Bnb4<Nf4, true>::absmax_of(twice, b)), once.planes[1].as<float>()[b],
                twice.planes[2].as<float>()[b / 256] * 0.0142f)
        << b;
}

}  // namespace
}  // namespace farthing
