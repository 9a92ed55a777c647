// q3_k: blocks of 256 along k; 3-bit codes, a signed 6-bit scale for each 16; 3.4375 bits a weight.
//
// Layout: [32 bytes of third bits][64 bytes of codes][12 bytes of scales][d: f16], 110 bytes. Low
//         two bits as in q2_k; bit s of byte i of the third bits belongs to element 32 s + i. Of
//         scale p + 32, the low nibble is in byte p mod 8 (low for p < 8), and bits 4..5 are bits
//         2 (p / 4), 2 (p / 4) + 1 of byte 8 + p mod 4.
// Value:  (d * scale) * (code - 4), both products rounded to f32.
// Source: ggml's block_q3_K, the Python package gguf; encoding: search/scaled_batch.h.
#include "formats/gguf/levels.h"
#include "formats/gguf/search/scaled_batch.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockQ3K {
  static constexpr int64_t size = 256, bytes = 110;
  static constexpr std::string_view layout =
      "blocks of 256: [32 bytes of third bits][64 bytes of codes][16 scales of 6 bits][d: f16]";
  static constexpr std::string_view value =
      "d * scale * (code - 4), code in 0..7, scale in -32..31 for each 16";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block + 108);
    float scales[16];
    for (int p = 0; p < 16; ++p) {
      const int low = block[96 + p % 8] >> (p / 8 * 4) & 15;
      const int high = block[104 + p % 4] >> (p / 4 * 2) & 3;
      scales[p] = d * static_cast<float>((low | high << 4) - 32);
    }
    const uint8_t *third = block, *codes = block + 32;
    const float* scale = scales;
    for (int h = 0; h < 2; ++h, codes += 32) {
      for (int s = 0; s < 4; ++s, values += 32, scale += 2) {
        const int bit = 4 * h + s;
        for (int i = 0; i < 16; ++i) {
          const int first = (codes[i] >> (2 * s) & 3) | (third[i] >> bit & 1) << 2;
          const int second = (codes[16 + i] >> (2 * s) & 3) | (third[16 + i] >> bit & 1) << 2;
          values[i] = scale[0] * static_cast<float>(first - 4);
          values[16 + i] = scale[1] * static_cast<float>(second - 4);
        }
      }
    }
  }

  static Elements elements() {
    return sub_blocks({.kind = ElementKind::book, .bits = 4, .book = whole_book(4), .levels = 8},
                      16);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < size; ++i) {
      const int two = block[32 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
      codes[i] = static_cast<uint8_t>(two | (block[i % 32] >> (i / 32) & 1) << 2);
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    std::memset(block, 0, 96);
    for (int i = 0; i < size; ++i) {
      uint8_t& byte = block[32 + i / 128 * 32 + i % 32];
      byte = static_cast<uint8_t>(byte | (codes[i] & 3) << (i / 32 % 4 * 2));
      block[i % 32] = static_cast<uint8_t>(block[i % 32] | codes[i] >> 2 << (i / 32));
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int p = k / 16, low = block[96 + p % 8] >> (p / 8 * 4) & 15;
    const int high = block[104 + p % 4] >> (p / 4 * 2) & 3;
    return {.scale = static_cast<float>((low | high << 4) - 32), .unit = half_at(block + 108)};
  }

  using Batch = ScaledBatch<WholeLevels<-4, 3>, 16, -32, 31, &BlockSearches::q3_k, 5, 5, 1, 1>;
  static void put(uint8_t* block, const Batch::Found& found) {
    put_element_codes(block, found.codes);
    for (int p = 0; p < 16; ++p) {
      const int scale = found.scales[p] + 32;
      uint8_t &low = block[96 + p % 8], &high = block[104 + p % 4];
      low = static_cast<uint8_t>(low | (scale & 15) << (p / 8 * 4));
      high = static_cast<uint8_t>(high | scale >> 4 << (p / 4 * 2));
    }
    std::memcpy(block + 108, &found.half, 2);
  }
};

}  // namespace
}  // namespace gguf

Format q3_k_format() { return gguf::BlockFormat<gguf::BlockQ3K>::format(11, "q4_0"); }

}  // namespace farthing
