// The code books of GGUF's IQ types: rows of eight or four levels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace farthing::gguf {

#include "formats/gguf/codebooks/grids.inc"

constexpr int hexadecimal(char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; }

// `text` holds the indices of levels, two bits of each (four where there are more than four
// levels).
template <int row_count, int row_width, int level_count>
struct Grid {
  static constexpr int rows = row_count, width = row_width, level_kinds = level_count;
  std::array<int8_t, level_count> levels;  // ascending
  std::array<int8_t, static_cast<size_t>(row_count* row_width)> values;

  constexpr Grid(const char* text, std::array<int8_t, level_count> ascending)
      : levels(ascending), values{} {
    constexpr int bits = level_count > 4 ? 4 : 2, in_byte = 8 / bits;
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t byte = i / in_byte;
      const int stored = hexadecimal(text[2 * byte]) << 4 | hexadecimal(text[2 * byte + 1]);
      const int level = stored >> (static_cast<int>(i % in_byte) * bits) & ((1 << bits) - 1);
      values[i] = levels[static_cast<size_t>(level)];
    }
  }
  const int8_t* row(int index) const { return values.data() + index * row_width; }
};

inline constexpr Grid<256, 8, 3> iq2_xxs_grid(iq2_xxs_text, {8, 25, 43});
inline constexpr Grid<512, 8, 3> iq2_xs_grid(iq2_xs_text, {8, 25, 43});
inline constexpr Grid<1024, 8, 3> iq2_s_grid(iq2_s_text, {8, 25, 43});
inline constexpr Grid<256, 4, 8> iq3_xxs_grid(iq3_xxs_text, {4, 12, 20, 28, 36, 44, 52, 62});
inline constexpr Grid<512, 4, 8> iq3_s_grid(iq3_s_text, {1, 3, 5, 7, 9, 11, 13, 15});
inline constexpr Grid<2048, 8, 3> iq1_grid(iq1_s_text, {-1, 0, 1});
// The levels of iq1_grid shifted by an eighth: a code is level + 1, and 4 for the negative shift.
inline constexpr std::array<float, 16> shifted_levels = {-0.875f, 0.125f,  1.125f, 0,
                                                         -1.125f, -0.125f, 0.875f};

// Eight signs from seven bits: the eighth makes the number of minus signs even.
inline constexpr std::array<uint8_t, 128> even_signs = [] {
  std::array<uint8_t, 128> out{};
  for (int i = 0; i < 128; ++i) {
    int ones = 0;
    for (int bit = 0; bit < 7; ++bit) ones += i >> bit & 1;
    out[static_cast<size_t>(i)] = static_cast<uint8_t>(i | (ones & 1) << 7);
  }
  return out;
}();

// -1 where bit j of the row's number is set, else 0.
inline constexpr std::array<std::array<int8_t, 8>, 256> minus_masks = [] {
  std::array<std::array<int8_t, 8>, 256> out{};
  for (size_t bits = 0; bits < 256; ++bits)
    for (size_t j = 0; j < 8; ++j)
      out[bits][j] = static_cast<int8_t>(-static_cast<int>(bits >> j & 1));
  return out;
}();

// The levels and their negatives as a book of sixteen: a code is the level's index, and 8 for a
// minus.
template <size_t count>
constexpr std::array<float, 16> signed_levels(const std::array<int8_t, count>& levels) {
  std::array<float, 16> out{};
  for (size_t i = 0; i < count; ++i) {
    out[i] = levels[i];
    out[8 + i] = -out[i];
  }
  return out;
}
// The codes of eight levels whose indices are level >> `shift`.
template <int shift>
void signed_codes(const int8_t* first, const int8_t* second, uint8_t signs, uint8_t* codes) {
  for (int j = 0; j < 8; ++j)
    codes[j] =
        static_cast<uint8_t>((j < 4 ? first[j] : second[j - 4]) >> shift | (signs >> j & 1) << 3);
}

// values[j] = scale * level, with a minus where bit j of `signs` is set; eight of them.
inline void decode_signed(const int8_t* levels, uint8_t signs, float scale, float* values) {
  const auto& minus = minus_masks[signs];
  for (size_t j = 0; j < 8; ++j)
    values[j] = scale * static_cast<float>((levels[j] ^ minus[j]) - minus[j]);
}
// The same of two rows of four.
inline void decode_signed(const int8_t* first, const int8_t* second, uint8_t signs, float scale,
                          float* values) {
  int8_t levels[8];
  std::memcpy(levels, first, 4);
  std::memcpy(levels + 4, second, 4);
  decode_signed(levels, signs, scale, values);
}

}  // namespace farthing::gguf
