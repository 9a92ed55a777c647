// The 16 numbers of bitsandbytes' 4-bit formats: NF4, the quantiles of a normal distribution, and
// its own FP4, which is not E2M1.
//
// Source: QLoRA, arXiv 2305.14314; bitsandbytes get_4bit_type. Tests hold every code point of it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

namespace farthing {

struct Nf4 {
  static constexpr std::array<float, 16> values = {-1.0f,
                                                   -0.6961928009986877f,
                                                   -0.5250730514526367f,
                                                   -0.39491748809814453f,
                                                   -0.28444138169288635f,
                                                   -0.18477343022823334f,
                                                   -0.09105003625154495f,
                                                   0.0f,
                                                   0.07958029955625534f,
                                                   0.16093020141124725f,
                                                   0.24611230194568634f,
                                                   0.33791524171829224f,
                                                   0.44070982933044434f,
                                                   0.5626170039176941f,
                                                   0.7229568362236023f,
                                                   1.0f};
  static constexpr bool ascending = true;
  static constexpr bool symmetric = false;
  // Codes by ascending value.
  static constexpr std::array<uint8_t, 16> order = {0, 1, 2,  3,  4,  5,  6,  7,
                                                    8, 9, 10, 11, 12, 13, 14, 15};
  static constexpr std::string_view name = "NF4, the 16 quantiles of a normal distribution";
};

struct BnbFp4 {
  static constexpr std::array<float, 16> values = {
      0.0f / 12,  0.0625f / 12, 8.0f / 12,  12.0f / 12,    4.0f / 12,  6.0f / 12,
      2.0f / 12,  3.0f / 12,    0.0f / 12,  -0.0625f / 12, -8.0f / 12, -12.0f / 12,
      -4.0f / 12, -6.0f / 12,   -2.0f / 12, -3.0f / 12};
  static constexpr bool ascending = false;
  static constexpr bool symmetric = true;
  // Code 8 is zero too, and is never written.
  static constexpr std::array<uint8_t, 16> order = {11, 10, 13, 12, 15, 14, 9, 0,
                                                    0,  1,  6,  7,  4,  5,  2, 3};
  static constexpr std::string_view name = "+-{0, 0.0625, 2, 3, 4, 6, 8, 12} / 12";
};

// Two codes in a byte, of two places by ascending value.
template <class Book>
inline constexpr std::array<uint8_t, 256> pairs_in_order = [] {
  std::array<uint8_t, 256> out{};
  for (size_t i = 0; i < 256; ++i)
    out[i] = static_cast<uint8_t>(Book::order[i / 16] << 4 | Book::order[i % 16]);
  return out;
}();

// Which number is nearest, counted by ascending value; the lower one of two that are equally near.
template <class Book>
struct NearestOf16 {
  static constexpr std::array<float, 15> bounds = [] {
    std::array<float, 15> out{};
    for (size_t i = 0; i < 15; ++i)
      out[i] = (Book::values[Book::order[i]] + Book::values[Book::order[i + 1]]) / 2.0f;
    return out;
  }();
  static constexpr std::array<float, 7> positive_bounds = [] {
    std::array<float, 7> out{};
    for (size_t i = 0; i < 7; ++i) out[i] = bounds[8 + i];
    return out;
  }();
  static int index(float x) {
    int out = 0;
    if constexpr (Book::symmetric) {  // half the comparisons
      const auto bits = std::bit_cast<int32_t>(x);
      const int32_t negative = bits >> 31;  // -1, and then the lower one has the larger magnitude
      const auto magnitude = std::bit_cast<float>((bits & 0x7fffffff) - negative);
      for (const float bound : positive_bounds) out += magnitude > bound ? 1 : 0;
      return out ^ (8 + negative);
    }
    for (const float bound : bounds) out += x > bound ? 1 : 0;
    return out;
  }
};

}  // namespace farthing
