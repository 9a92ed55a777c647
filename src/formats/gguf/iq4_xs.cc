// iq4_xs: blocks of 256 along k; codes into iq4_nl's book, a signed 6-bit scale for each 32; 4.25
// bits a weight.
//
// Layout: [d: f16][2 bytes of high scale bits][4 bytes of low scale nibbles][128 bytes of codes],
//         136 bytes. Of scale p + 32, nibble p of the low ones, bits 2 p, 2 p + 1 of the 16 high
//         bits. Codes of the p-th 32 elements are 16 bytes as in iq4_nl.
// Value:  (d * scale) * book[code], both products rounded to f32.
// Source: ggml's block_iq4_xs, the Python package gguf; encoding: search/scaled_batch.h.
#include "formats/gguf/levels.h"
#include "formats/gguf/search/scaled_batch.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq4Xs {
  static constexpr int64_t size = 256, bytes = 136;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][8 scales of 6 bits in 6 bytes][128 bytes of codes]";
  static constexpr std::string_view value =
      "d * scale * book[code], the book of iq4_nl, scale in -32..31 for each 32";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block);
    const int high_bits = block[2] | block[3] << 8;
    const uint8_t* codes = block + 8;
    for (int p = 0; p < 8; ++p, codes += 16, values += 32) {
      const int low = block[4 + p / 2] >> (p % 2 * 4) & 15, high = high_bits >> (2 * p) & 3;
      const float scale = d * static_cast<float>((low | high << 4) - 32);
      for (int i = 0; i < 16; ++i) {
        values[i] = scale * static_cast<float>(iq4_book[codes[i] & 15]);
        values[16 + i] = scale * static_cast<float>(iq4_book[codes[i] >> 4]);
      }
    }
  }

  static Elements elements() {
    Elements e{.kind = ElementKind::book, .bits = 4};
    for (size_t code = 0; code < 16; ++code) e.book[code] = iq4_book[code];
    return sub_blocks(e, 32);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < 128; ++i) {
      codes[i / 16 * 32 + i % 16] = block[8 + i] & 15;
      codes[i / 16 * 32 + 16 + i % 16] = block[8 + i] >> 4;
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    for (int p = 0; p < 8; ++p, codes += 32)
      for (int i = 0; i < 16; ++i)
        block[8 + 16 * p + i] = static_cast<uint8_t>(codes[i] | codes[16 + i] << 4);
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int p = k / 32, low = block[4 + p / 2] >> (p % 2 * 4) & 15;
    const int high = (block[2] | block[3] << 8) >> (2 * p) & 3;
    return {.scale = static_cast<float>((low | high << 4) - 32), .unit = half_at(block)};
  }

  using Batch = ScaledBatch<BookLevels<iq4_book>, 32, -32, 31, &BlockSearches::iq4, 60, 5, 1, 1>;
  static void put(uint8_t* block, const Batch::Found& found) {
    std::memcpy(block, &found.half, 2);
    for (int p = 0; p < 8; ++p) {
      const int scale = found.scales[p] + 32;
      uint8_t &high = block[2 + p / 4], &low = block[4 + p / 2];
      high = static_cast<uint8_t>(high | scale >> 4 << (2 * (p % 4)));
      low = static_cast<uint8_t>(low | (scale & 15) << (p % 2 * 4));
    }
    put_element_codes(block, found.codes);
  }
};

}  // namespace
}  // namespace gguf

Format iq4_xs_format() { return gguf::BlockFormat<gguf::BlockIq4Xs>::format(23, "iq4_nl"); }

}  // namespace farthing
