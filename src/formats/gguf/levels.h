// The values a code can have before the scale, as the search for scales needs them: whole numbers,
// or a code book.
#pragma once

#include <array>
#include <cstdint>

#include "formats/scale_rule.h"

namespace farthing::gguf {

// Whole numbers from low to high; code c is level low + c.
template <int low_level, int high_level>
struct WholeLevels {
  static constexpr float low = low_level, high = high_level;
  static float nearest(float x) {
    x = x < low ? low : x;
    return round_even(x > high ? high : x);
  }
  static uint8_t code(float level) {
    return static_cast<uint8_t>(static_cast<int>(level) - low_level);
  }
};

// Sixteen whole numbers in ascending order, of at most 8 bits; code c is level book[c]. Halfway
// between two levels the lower one is nearest.
template <const std::array<int8_t, 16>& book>
struct BookLevels {
  static constexpr float low = book[0], high = book[15];
  struct Nearest {
    int8_t level[512];  // of x in [i / 2 - 128, i / 2 - 127.5)
    uint8_t code[256];  // of level i - 128
  };
  static constexpr Nearest table = [] {
    Nearest out{};
    for (int i = 0; i < 512; ++i) {
      int code = 0;  // twice the middle of two levels is a whole number
      while (code < 15 &&
             i - 256 >= book[static_cast<size_t>(code)] + book[static_cast<size_t>(code) + 1])
        ++code;
      out.level[i] = book[static_cast<size_t>(code)];
    }
    for (size_t c = 0; c < 16; ++c) out.code[book[c] + 128] = static_cast<uint8_t>(c);
    return out;
  }();
  static float nearest(float x) {
    x = x < low ? low : x;
    x = x > high ? high : x;
    return table.level[static_cast<int>((x + 128.0f) * 2.0f)];
  }
  static uint8_t code(float level) { return table.code[static_cast<int>(level) + 128]; }
};

// The code book of IQ4_NL and IQ4_XS. Source: ggml's kvalues_iq4nl.
inline constexpr std::array<int8_t, 16> iq4_book = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                    1,    13,   25,  38,  53,  69,  89,  113};

}  // namespace farthing::gguf
