// iq4_nl: blocks of 32 along k; 4-bit codes into a book of sixteen whole numbers; 4.5 bits a
// weight.
//
// Layout: [d: f16][16 bytes of codes], 18 bytes; element i < 16 is the low nibble of byte i, else
//         the high nibble of byte i - 16.
// Value:  d * book[code], one rounding to f32; the book is iq4_book of levels.h. To the integer
//         kernels a weight is the book's number, 8 bits.
// Rules:  d is the best of `search_scale`, rounded to f16; codes are the nearest, ties to the
// lower. Source: ggml's block_iq4_nl, the Python package gguf; encoding: scale_search.h.
#include "formats/gguf/levels.h"
#include "formats/gguf/scale_search.h"
#include "formats/gguf/weights.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq4Nl {
  static constexpr int64_t size = 32, bytes = 18;
  static constexpr int bits = 8;
  static constexpr std::string_view layout =
      "blocks [d: f16][16 bytes of codes]; low nibbles are elements 0..15";
  static constexpr std::string_view value =
      "d * book[code], code in 0..15; the book's 16 numbers lie in -127..113";
  using Levels = BookLevels<iq4_book>;

  static float scale(const uint8_t* block) { return half_at(block); }

  static void codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < 16; ++i) {
      codes[i] = static_cast<uint8_t>(iq4_book[block[2 + i] & 15] + 128);
      codes[16 + i] = static_cast<uint8_t>(iq4_book[block[2 + i] >> 4] + 128);
    }
  }

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block);
    for (int i = 0; i < 16; ++i) {
      values[i] = d * static_cast<float>(iq4_book[block[2 + i] & 15]);
      values[16 + i] = d * static_cast<float>(iq4_book[block[2 + i] >> 4]);
    }
  }

  static Elements elements() {
    Elements e{.kind = ElementKind::book, .bits = 4};
    for (size_t code = 0; code < 16; ++code) e.book[code] = iq4_book[code];
    e.group = size;
    return e;
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < 16; ++i) {
      codes[i] = block[2 + i] & 15;
      codes[16 + i] = block[2 + i] >> 4;
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    for (int i = 0; i < 16; ++i) block[2 + i] = static_cast<uint8_t>(codes[i] | codes[16 + i] << 4);
  }
  static ElementScale element_scale(const uint8_t* block, int k) { return {half_at(block)}; }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e,
                             const float* importance) {
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    if (beyond_f16(e.amax() / -Levels::low)) return {.overflowed_scales = 1};
    float w[size];
    square_weights<size>(x, e.amax(), importance, w);
    const float found = search_scale<Levels, size>(x, w).scale;
    const float d = put_half(block, found > 65504.0f    ? 65504.0f
                                    : found < -65504.0f ? -65504.0f
                                                        : found);
    if (d == 0) return {.flushed_groups = 1};
    uint8_t found_codes[size];
    for (int i = 0; i < size; ++i)
      found_codes[i] = Levels::code(Levels::nearest(x[i] * reciprocal(d)));
    put_element_codes(block, found_codes);
    return {};
  }
};

}  // namespace
}  // namespace gguf

Format iq4_nl_format() { return gguf::GridBlockFormat<gguf::BlockIq4Nl>::format(20); }

}  // namespace farthing
