// E4M3: the 8-bit float of the OCP 8-bit floating point specification, as an element of scaled
// formats.
//
// Layout: sign, 4 bits of exponent (bias 7), 3 bits of mantissa. No infinity: 0x7f and 0xff are
// NaN, so the largest value is 448 (0x7e); the least subnormal is 2^-9. Source: OCP 8-bit Floating
// Point Specification (OFP8) 1.0; "FP8 Formats for Deep Learning", arXiv 2209.05433. Tests hold
// every code point of the package ml_dtypes (float8_e4m3fn).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "tensor/dtype.h"

namespace farthing {

struct E4m3 {
  static constexpr DType dtype = DType::f8_e4m3;
  static constexpr float largest = 448;
  static constexpr float last_step = 32;  // between the two largest values
  static constexpr std::string_view range = "+-448, 4 bits of precision, least 2^-9";
  static constexpr std::string_view source =
      "E4M3 of the OCP 8-bit Floating Point Specification 1.0 (arXiv 2209.05433)";

  static float decode(uint8_t code) { return values[code]; }

  // To nearest even; what is beyond 448, infinities too, becomes 448. NaN stays NaN.
  static uint8_t encode(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const auto sign = static_cast<uint8_t>(bits >> 24 & 0x80);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return sign | 0x7f;
    if (magnitude >= std::bit_cast<uint32_t>(largest)) return sign | 0x7e;
    if (magnitude < std::bit_cast<uint32_t>(0x1p-6f)) {
      // The sum with 2^14, whose last place is 2^-9, is the subnormal code, rounded to nearest
      // even.
      const float shifted = std::bit_cast<float>(magnitude) + 0x1p14f;
      return sign | static_cast<uint8_t>(std::bit_cast<uint32_t>(shifted) -
                                         std::bit_cast<uint32_t>(0x1p14f));
    }
    constexpr uint32_t bias = (127 - 7) << 23;
    return sign | static_cast<uint8_t>((magnitude - bias + 0x7ffff + (magnitude >> 20 & 1)) >> 20);
  }

 private:
  static constexpr float value_of(int code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    float value = static_cast<float>(exponent == 0 ? mantissa : 8 + mantissa) * 0x1p-9f;
    for (int e = 1; e < exponent; ++e) value *= 2;
    if ((code & 0x7f) == 0x7f) value = std::numeric_limits<float>::quiet_NaN();
    return (code & 0x80) != 0 ? -value : value;
  }
  static constexpr std::array<float, 256> table() {
    std::array<float, 256> out{};
    for (int code = 0; code < 256; ++code) out[static_cast<size_t>(code)] = value_of(code);
    return out;
  }
  static const std::array<float, 256> values;
};

inline constexpr std::array<float, 256> E4m3::values = E4m3::table();

}  // namespace farthing
