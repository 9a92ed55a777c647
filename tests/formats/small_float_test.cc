// Small floats against every code point of ml_dtypes, and their packing.
#include "formats/small_floats/small_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "formats/packed_codes.h"
#include "formats/small_floats/micro_scaled.h"
#include "io/safetensors/safetensors.h"

namespace farthing {
namespace {

Tensor golden(const std::string& file, const std::string& name) {
  return SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/formats/data/" + file + ".safetensors")
      .value()
      .tensor(name)
      .value();
}

// An element with the file and the name of its vectors.
template <class Float>
struct Vectors;
template <>
struct Vectors<E4m3> {
  static constexpr const char *file = "golden", *name = "e4m3";
};
template <>
struct Vectors<E5m2> {
  static constexpr const char *file = "golden_scaled", *name = "e5m2";
};
template <>
struct Vectors<E2m1> {
  static constexpr const char *file = "golden_scaled", *name = "e2m1";
};
template <>
struct Vectors<E2m3> {
  static constexpr const char *file = "golden_scaled", *name = "e2m3";
};
template <>
struct Vectors<E3m2> {
  static constexpr const char *file = "golden_scaled", *name = "e3m2";
};

template <class Float>
class SmallFloats : public ::testing::Test {
 protected:
  static Tensor vectors(const std::string& what) {
    return golden(Vectors<Float>::file, std::string(Vectors<Float>::name) + "." + what);
  }
};
using Elements = ::testing::Types<E4m3, E5m2, E2m1, E2m3, E3m2>;
TYPED_TEST_SUITE(SmallFloats, Elements);

TYPED_TEST(SmallFloats, EveryCodePointIsThatOfMlDtypes) {
  const Tensor points = this->vectors("points");
  ASSERT_EQ(points.shape().elements(), 1 << TypeParam::bits);
  for (int code = 0; code < 1 << TypeParam::bits; ++code) {
    const float ours = TypeParam::decode(static_cast<uint8_t>(code));
    const float theirs = points.as<float>()[code];
    if (std::isnan(theirs)) {
      EXPECT_TRUE(std::isnan(ours)) << code;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(ours), std::bit_cast<uint32_t>(theirs)) << code;
    }
  }
}

TYPED_TEST(SmallFloats, EveryFiniteCodePointIsItsOwnCode) {
  for (int code = 0; code < 1 << TypeParam::bits; ++code) {
    const float value = TypeParam::decode(static_cast<uint8_t>(code));
    if (value - value == 0) {
      EXPECT_EQ(TypeParam::encode(value), code);
    }
  }
}

TYPED_TEST(SmallFloats, TiesNeighboursAndEndsAreEncodedAsMlDtypesDoes) {
  const Tensor values = this->vectors("values"), codes = this->vectors("codes");
  ASSERT_GE(values.shape().elements(), 8 * ((1 << (TypeParam::bits - 1)) - 8));
  for (int64_t i = 0; i < values.shape().elements(); ++i)
    ASSERT_EQ(static_cast<int>(TypeParam::encode(values.as<float>()[i])),
              static_cast<int>(codes.as<uint8_t>()[i]))
        << values.as<float>()[i];
}

TYPED_TEST(SmallFloats, InfinitiesSaturateAndNanStaysNanWhereThereIsOne) {
  EXPECT_EQ(TypeParam::decode(TypeParam::encode(INFINITY)), TypeParam::largest);
  EXPECT_EQ(TypeParam::decode(TypeParam::encode(-INFINITY)), -TypeParam::largest);
  if (std::isnan(TypeParam::decode(TypeParam::last_code))) {
    EXPECT_TRUE(std::isnan(TypeParam::decode(TypeParam::encode(NAN))));
  }
}

TEST(SmallFloats, E2m1RoundsTiesToTheEvenCode) {
  const float ties[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f, 7.0f};
  const float wanted[] = {0, 1, 1, 2, 2, 4, 4, 6};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(E2m1::decode(E2m1::encode(ties[i])), wanted[i]) << ties[i];
    EXPECT_EQ(E2m1::decode(E2m1::encode(-ties[i])), -wanted[i]) << ties[i];
  }
}

TEST(SmallFloats, E5m2KeepsItsInfinitiesWhenTheyAreDecoded) {
  EXPECT_EQ(E5m2::decode(0x7c), INFINITY);
  EXPECT_EQ(E5m2::decode(0xfc), -INFINITY);
}

TEST(E8m0, EveryCodePointIsThatOfMlDtypes) {
  const Tensor points = golden("golden_scaled", "e8m0.points");
  for (int code = 0; code < 255; ++code)
    EXPECT_EQ(f32_from_e8m0(static_cast<uint8_t>(code)), points.as<float>()[code]) << code;
  EXPECT_TRUE(std::isnan(f32_from_e8m0(255)) && std::isnan(points.as<float>()[255]));
}

template <int bits>
void expect_packing() {
  using Codes = PackedCodes<bits>;
  for (const int64_t count : {1, 7, 8, 9, 31, 64, 77}) {
    std::vector<uint8_t> codes(static_cast<size_t>(count)), back(codes.size());
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = static_cast<uint8_t>(random_bits(5, bits, i) & ((1u << bits) - 1));
    std::vector<uint8_t> run(static_cast<size_t>(Codes::bytes(16 + count))), single = run;
    Codes::pack(run.data(), 16, codes.data(), count);
    for (int64_t i = 0; i < count; ++i)
      Codes::set(single.data(), 16 + i, codes[static_cast<size_t>(i)]);
    EXPECT_EQ(run, single) << bits << " bits, " << count;
    Codes::unpack(run.data(), 16, count, back.data());
    EXPECT_EQ(back, codes) << bits << " bits, " << count;
    for (int64_t i = 0; i < count; ++i)
      EXPECT_EQ(Codes::get(run.data(), 16 + i), codes[static_cast<size_t>(i)]);
  }
}

TEST(PackedCodes, RunsOfEveryLengthAreTheSingleCodesLsbFirst) {
  expect_packing<2>();
  expect_packing<3>();
  expect_packing<4>();
  expect_packing<5>();
  expect_packing<6>();
  expect_packing<8>();
  const uint8_t codes[] = {1, 2, 3, 4};
  uint8_t packed[3] = {};
  PackedCodes<6>::pack(packed, 0, codes, 4);  // 000100 000011 000010 000001
  EXPECT_EQ(packed[0], 0x81);
  EXPECT_EQ(packed[1], 0x30);
  EXPECT_EQ(packed[2], 0x10);
}

TEST(PackedCodes, ThreeBitsAreThoseOfTheDenseCheckpoints) {
  uint8_t codes[32], packed[12] = {};
  for (int i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(i % 8);
  PackedCodes<3>::pack(packed, 0, codes, 32);
  const uint32_t words[] = {0x88FAC688, 0xC688FAC6, 0xFAC688FA};  // as GPTQ and compressed-tensors
  EXPECT_EQ(std::memcmp(packed, words, 12), 0);
}

}  // namespace
}  // namespace farthing
