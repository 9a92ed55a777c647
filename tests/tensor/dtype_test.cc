// The 16-bit floats: every half, every rounding boundary, against exact arithmetic and against
// numpy's checksums.
#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace farthing {
namespace {

bool f16_is_nan(uint16_t half) { return (half & 0x7fff) > 0x7c00; }

// By the definition of the format, in double.
double f16_value(uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 0x3ff;
  const double magnitude = exponent == 31  ? INFINITY
                           : exponent == 0 ? std::ldexp(mantissa, -24)
                                           : std::ldexp(1024 + mantissa, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

template <class T>
std::string fnv1a(const std::vector<T>& words) {
  uint64_t digest = 0xcbf29ce484222325u;
  for (const T word : words)
    for (size_t i = 0; i < sizeof(T); ++i)
      digest = (digest ^ static_cast<uint8_t>(word >> 8 * i)) * 0x100000001b3u;
  char text[17];
  std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(digest));
  return text;
}

// Checksums made by data/make_golden.py.
std::string golden(const std::string& name) {
  std::ifstream file(FARTHING_SOURCE_DIR "/tests/tensor/data/half_floats.txt");
  std::map<std::string, std::string> lines;
  for (std::string key, value; file >> key >> value;) lines[key] = value;
  return lines[name];
}

// The floats just below, at and just above every tie between two neighbouring halves.
std::vector<float> around_f16_ties() {
  std::vector<float> out;
  for (uint32_t half = 0; half < 0x10000; ++half) {
    if ((half & 0x7fff) >= 0x7c00) continue;
    const int exponent = std::max<int>(half >> 10 & 31, 1);
    const double step = std::ldexp(1.0, exponent - 26);
    const double tie = f16_value(static_cast<uint16_t>(half)) + (half & 0x8000 ? -step : step);
    const uint32_t bits = bits_of(static_cast<float>(tie));
    for (const uint32_t near : {bits - 1, bits, bits + 1})
      out.push_back(std::bit_cast<float>(near));
  }
  return out;
}

// Every pattern of 16 bits on top, followed by: just below a bf16 tie, the tie, just above, the
// bf16 itself.
std::vector<float> around_bf16_ties() {
  std::vector<float> out;
  for (uint32_t top = 0; top < 0x10000; ++top)
    for (const uint32_t low : {0x7fff, 0x8000, 0x8001, 0})
      if (const auto value = std::bit_cast<float>(top << 16 | low); !std::isnan(value))
        out.push_back(value);
  return out;
}

TEST(F16, EveryHalfHasTheValueOfItsDefinition) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = f32_from_f16(static_cast<uint16_t>(half));
    if (f16_is_nan(static_cast<uint16_t>(half))) {
      ASSERT_TRUE(std::isnan(value)) << half;
      ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0);
    } else {
      ASSERT_EQ(bits_of(value), bits_of(static_cast<float>(f16_value(static_cast<uint16_t>(half)))))
          << half;
    }
  }
}

TEST(F16, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const uint16_t back = f16_from_f32(f32_from_f16(static_cast<uint16_t>(half)));
    if (f16_is_nan(static_cast<uint16_t>(half))) {
      ASSERT_TRUE(f16_is_nan(back)) << half;
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

TEST(F16, RoundsToTheNearestAndTiesToEven) {
  for (const float value : around_f16_ties()) {
    const uint16_t rounded = f16_from_f32(value);
    // The overflow threshold: infinity counts as 65536, the next step after 65504.
    const auto distance = [&](uint16_t half) {
      const double v = f16_value(half);
      return std::fabs((std::isinf(v) ? std::copysign(65536.0, v) : v) -
                       static_cast<double>(value));
    };
    const uint16_t magnitude = rounded & 0x7fff;
    ASSERT_EQ(std::signbit(value), (rounded & 0x8000) != 0);
    for (const int neighbour : {-1, 1}) {
      if (magnitude + neighbour < 0 || magnitude + neighbour > 0x7c00) continue;
      const double other = distance(static_cast<uint16_t>(rounded + neighbour));
      ASSERT_LE(distance(rounded), other) << value;
      if (distance(rounded) == other) {
        ASSERT_EQ(rounded & 1, 0) << value;
      }
    }
  }
}

TEST(F16, AgreesWithNumpy) {
  std::vector<uint32_t> decoded;
  for (uint32_t half = 0; half < 0x10000; ++half)
    if (!f16_is_nan(static_cast<uint16_t>(half)))
      decoded.push_back(bits_of(f32_from_f16(static_cast<uint16_t>(half))));
  EXPECT_EQ(fnv1a(decoded), golden("f32_from_f16"));
  std::vector<uint16_t> encoded, encoded_top;
  for (const float value : around_f16_ties()) encoded.push_back(f16_from_f32(value));
  for (const float value : around_bf16_ties()) encoded_top.push_back(f16_from_f32(value));
  EXPECT_EQ(fnv1a(encoded), golden("f16_from_f32"));
  EXPECT_EQ(fnv1a(encoded_top), golden("f16_from_top_bits"));
}

TEST(Bf16, AgreesWithMlDtypes) {
  std::vector<uint16_t> encoded;
  for (const float value : around_bf16_ties()) encoded.push_back(bf16_from_f32(value));
  EXPECT_EQ(fnv1a(encoded), golden("bf16_from_f32"));
}

TEST(Bf16, EveryBf16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f32_from_bf16(static_cast<uint16_t>(bits));
    ASSERT_EQ(bits_of(value), bits << 16);
    const uint16_t back = bf16_from_f32(value);
    ASSERT_EQ(back, std::isnan(value) ? (bits | 0x40) : bits);
  }
}

TEST(HalfFloats, NaNStaysNaNAndKeepsItsSign) {
  for (const uint32_t bits : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u, 0xffc00000u}) {
    const auto value = std::bit_cast<float>(bits);
    const bool negative = bits >> 31 != 0;
    EXPECT_TRUE(f16_is_nan(f16_from_f32(value))) << std::hex << bits;
    EXPECT_EQ((f16_from_f32(value) & 0x8000) != 0, negative);
    EXPECT_TRUE(std::isnan(f32_from_bf16(bf16_from_f32(value)))) << std::hex << bits;
    EXPECT_EQ((bf16_from_f32(value) & 0x8000) != 0, negative);
  }
}

TEST(DType, NamesAndTypesAreTheSameList) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_name(DType::bf16), "BF16");
  EXPECT_EQ(dtype_bytes(DType::boolean), 1);
  EXPECT_EQ(dtype_bytes(DType::i64), 8);
  EXPECT_EQ(dtype_from_name("bf16"), std::nullopt);
}

}  // namespace
}  // namespace farthing
