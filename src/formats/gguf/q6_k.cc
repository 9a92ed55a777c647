// q6_k: blocks of 256 along k; 6-bit codes, a signed 8-bit scale for each 16; 6.5625 bits a weight.
//
// Layout: [128 bytes of low nibbles][64 bytes of high bits][16 signed scales][d: f16], 210 bytes.
// In
//         the h-th half: byte i < 64 of the nibbles has element 128 h + i low and 128 h + 64 + i
//         high; bits 2 s, 2 s + 1 of byte i of the high bits belong to element 128 h + 32 s + i.
// Value:  (d * scale) * (code - 32), both products rounded to f32.
// Source: ggml's block_q6_K, the Python package gguf; encoding: search/scaled_batch.h.
#include "formats/gguf/levels.h"
#include "formats/gguf/search/scaled_batch.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockQ6K {
  static constexpr int64_t size = 256, bytes = 210;
  static constexpr std::string_view layout =
      "blocks of 256: [128 bytes of low nibbles][64 bytes of high bits][16 signed scales][d: f16]";
  static constexpr std::string_view value =
      "d * scale * (code - 32), code in 0..63, scale in -128..127 for each 16";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block + 208);
    const uint8_t *low = block, *high = block + 128, *scales = block + 192;
    for (int h = 0; h < 2; ++h, low += 64, high += 32, scales += 8, values += 128) {
      float scale[8];
      for (int p = 0; p < 8; ++p) scale[p] = d * static_cast<float>(static_cast<int8_t>(scales[p]));
      for (int part = 0; part < 2; ++part) {
        for (int j = 0; j < 16; ++j) {
          const int i = 16 * part + j;
          const int a = (low[i] & 15) | (high[i] & 3) << 4,
                    b = (low[32 + i] & 15) | (high[i] >> 2 & 3) << 4,
                    c = low[i] >> 4 | (high[i] >> 4 & 3) << 4,
                    e = low[32 + i] >> 4 | high[i] >> 6 << 4;
          values[i] = scale[part] * static_cast<float>(a - 32);
          values[32 + i] = scale[2 + part] * static_cast<float>(b - 32);
          values[64 + i] = scale[4 + part] * static_cast<float>(c - 32);
          values[96 + i] = scale[6 + part] * static_cast<float>(e - 32);
        }
      }
    }
  }

  static Elements elements() {
    return sub_blocks({.kind = ElementKind::whole, .bits = 8, .middle = 32, .levels = 64}, 16);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < size; ++i) {
      const int h = i / 128, four = block[64 * h + i % 64] >> (i % 128 / 64 * 4) & 15;
      codes[i] = static_cast<uint8_t>(
          four | (block[128 + 32 * h + i % 32] >> (i % 128 / 32 * 2) & 3) << 4);
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    for (int h = 0; h < 2; ++h, codes += 128) {
      uint8_t *low = block + 64 * h, *high = block + 128 + 32 * h;
      for (int i = 0; i < 64; ++i)
        low[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[64 + i] & 15) << 4);
      for (int i = 0; i < 32; ++i)
        high[i] = static_cast<uint8_t>(codes[i] >> 4 | codes[32 + i] >> 4 << 2 |
                                       codes[64 + i] >> 4 << 4 | codes[96 + i] >> 4 << 6);
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    return {.scale = static_cast<float>(static_cast<int8_t>(block[192 + k / 16])),
            .unit = half_at(block + 208)};
  }

  using Batch = ScaledBatch<WholeLevels<-32, 31>, 16, -128, 127, &BlockSearches::q6_k, 5, 5, 1>;
  static void put(uint8_t* block, const Batch::Found& found) {
    put_element_codes(block, found.codes);
    for (int p = 0; p < 16; ++p) block[192 + p] = static_cast<uint8_t>(found.scales[p]);
    std::memcpy(block + 208, &found.half, 2);
  }
};

}  // namespace
}  // namespace gguf

Format q6_k_format() { return gguf::BlockFormat<gguf::BlockQ6K>::format(14, "q8_0"); }

}  // namespace farthing
