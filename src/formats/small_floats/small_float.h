// Small floats, the elements of scaled formats: E4M3, E5M2, E2M1, E2M3, E3M2.
//
// Layout: sign, exponent, mantissa from the highest bit; exponent 0 is subnormal.
// Value:  (-1)^sign 2^(exponent - bias) (1 + mantissa / 2^M), bias = 2^(E-1) - 1.
// Source: OCP 8-bit Floating Point Specification (OFP8) 1.0, arXiv 2209.05433 (E4M3, E5M2); OCP
// Microscaling Formats (MX) Specification 1.0, arXiv 2310.10537 (the others). Tests hold every code
// point of the package ml_dtypes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>

#include "tensor/dtype.h"

namespace farthing {

// What the highest codes mean.
enum class FloatSpecials {
  none,  // numbers
  nan,   // the last code is NaN, there is no infinity
  ieee,  // the highest exponent is infinity and NaN
};

template <int exponent_bits, int mantissa_bits, FloatSpecials specials>
struct SmallFloat {
  static constexpr int bits = 1 + exponent_bits + mantissa_bits;
  static constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  static constexpr int mantissa = mantissa_bits;
  static constexpr uint8_t sign_bit = 1 << (bits - 1);
  static constexpr uint8_t last_code = sign_bit - 1;
  static constexpr uint8_t largest_code = specials == FloatSpecials::none ? last_code
                                          : specials == FloatSpecials::nan
                                              ? last_code - 1
                                              : last_code - (1 << mantissa_bits);

  static constexpr float power_of_two(int exponent) {
    return std::bit_cast<float>(static_cast<uint32_t>(127 + exponent) << 23);
  }
  static constexpr float least = power_of_two(1 - bias - mantissa_bits);
  static constexpr float least_normal = power_of_two(1 - bias);

  static constexpr float value_of(int code) {
    const int magnitude = code & last_code;
    const int exponent = magnitude >> mantissa_bits;
    const int fraction = magnitude & ((1 << mantissa_bits) - 1);
    float value = exponent == 0 ? static_cast<float>(fraction) * least
                                : static_cast<float>((1 << mantissa_bits) + fraction) *
                                      power_of_two(exponent - bias - mantissa_bits);
    if (magnitude > largest_code) {
      value = specials == FloatSpecials::ieee && fraction == 0
                  ? std::numeric_limits<float>::infinity()
                  : std::numeric_limits<float>::quiet_NaN();
    }
    return (code & sign_bit) != 0 ? -value : value;
  }
  static constexpr float largest = value_of(largest_code);
  static constexpr float last_step = largest - value_of(largest_code - 1);
  // The power of two in the largest value.
  static constexpr int largest_exponent =
      static_cast<int>(std::bit_cast<uint32_t>(largest) >> 23) - 127;

  static float decode(uint8_t code) { return values[code]; }

  // To nearest even; what is beyond the largest value, infinities too, becomes the largest. NaN
  // stays NaN where there is one. Without branches, so that loops over it become vectors.
  static uint8_t encode(float value) {
    // Signed, because magnitudes are below 2^31 and vectors compare signed numbers.
    constexpr int32_t largest_bits = std::bit_cast<int32_t>(largest);
    constexpr float magic = power_of_two(1 - bias - mantissa_bits + 23);  // its last place: `least`
    constexpr int dropped = 23 - mantissa_bits;
    constexpr int32_t rebias = (127 - bias) << 23;
    const int32_t whole = std::bit_cast<int32_t>(value);
    const int32_t given = whole & 0x7fffffff;
    const int32_t magnitude = given < largest_bits ? given : largest_bits;
    const int32_t subnormal = std::bit_cast<int32_t>(std::bit_cast<float>(magnitude) + magic) -
                              std::bit_cast<int32_t>(magic);
    const int32_t normal =
        (magnitude - rebias + ((1 << (dropped - 1)) - 1) + (magnitude >> dropped & 1)) >> dropped;
    // Masks, where a choice would become a branch around the sum.
    const int32_t is_subnormal =
        -static_cast<int32_t>(magnitude < std::bit_cast<int32_t>(least_normal));
    int32_t code = (subnormal & is_subnormal) | (normal & ~is_subnormal);
    if constexpr (specials != FloatSpecials::none)
      code |= last_code & -static_cast<int32_t>(given > 0x7f800000);
    return static_cast<uint8_t>(code | (whole >> 31 & sign_bit));
  }

 private:
  static const std::array<float, 1 << bits> values;
};

namespace small_float {
template <class Float>
constexpr auto table() {
  std::array<float, 1 << Float::bits> out{};
  for (int code = 0; code < 1 << Float::bits; ++code)
    out[static_cast<size_t>(code)] = Float::value_of(code);
  return out;
}
}  // namespace small_float

template <int exponent_bits, int mantissa_bits, FloatSpecials specials>
inline constexpr std::array<float, 1 << SmallFloat<exponent_bits, mantissa_bits, specials>::bits>
    SmallFloat<exponent_bits, mantissa_bits, specials>::values =
        small_float::table<SmallFloat<exponent_bits, mantissa_bits, specials>>();

struct E4m3 : SmallFloat<4, 3, FloatSpecials::nan> {
  static constexpr DType dtype = DType::f8_e4m3;
  static constexpr std::string_view range = "E4M3, +-448, 4 bits of precision, least 2^-9";
  static constexpr std::string_view source =
      "E4M3 of the OCP 8-bit Floating Point Specification 1.0 (arXiv 2209.05433)";
};
struct E5m2 : SmallFloat<5, 2, FloatSpecials::ieee> {
  static constexpr DType dtype = DType::f8_e5m2;
  static constexpr std::string_view range = "E5M2, +-57344, 3 bits of precision, least 2^-16";
  static constexpr std::string_view source =
      "E5M2 of the OCP 8-bit Floating Point Specification 1.0 (arXiv 2209.05433)";
};
// Codes below 8 bits are packed into bytes, LSB first.
struct E2m1 : SmallFloat<2, 1, FloatSpecials::none> {
  static constexpr DType dtype = DType::u8;
  static constexpr std::string_view range = "E2M1, +-{0, 0.5, 1, 1.5, 2, 3, 4, 6}";
};
struct E2m3 : SmallFloat<2, 3, FloatSpecials::none> {
  static constexpr DType dtype = DType::u8;
  static constexpr std::string_view range = "E2M3, +-7.5, 4 bits of precision, least 2^-3";
};
struct E3m2 : SmallFloat<3, 2, FloatSpecials::none> {
  static constexpr DType dtype = DType::u8;
  static constexpr std::string_view range = "E3M2, +-28, 3 bits of precision, least 2^-4";
};

static_assert(E4m3::largest == 448 && E5m2::largest == 57344 && E2m1::largest == 6 &&
              E2m3::largest == 7.5f && E3m2::largest == 28);

}  // namespace farthing
