// q5_k: blocks of 256 along k; 5-bit codes, 6-bit scales and minimums for each 32; 5.5 bits a
// weight.
//
// Layout: [d: f16][dmin: f16][12 bytes: six_bit_scales.h][32 bytes of fifth bits][128 bytes of
//         codes], 176 bytes. Low four bits as in q4_k; bit s of byte i of the fifth bits belongs to
//         element 32 s + i.
// Value:  (d * scale) * code - (dmin * minimum); both products, their product with the code and the
//         difference rounded to f32.
// Source: ggml's block_q5_K, the Python package gguf; encoding: search/ranged_batch.h.
#include "formats/gguf/search/ranged_batch.h"
#include "formats/gguf/six_bit_scales.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockQ5K {
  static constexpr int64_t size = 256, bytes = 176;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][dmin: f16][8 scales and 8 minimums of 6 bits][32 bytes of fifth "
      "bits][128 bytes of codes]";
  static constexpr std::string_view value =
      "d * scale * code - dmin * minimum, code in 0..31, scale and minimum for each 32";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block), dmin = half_at(block + 2);
    uint8_t scales[8], minimums[8];
    get_six_bit_scales(block + 4, scales, minimums);
    const uint8_t *fifth = block + 16, *codes = block + 48;
    for (int j = 0; j < 4; ++j, codes += 32, values += 64) {
      const float low = d * scales[2 * j], high = d * scales[2 * j + 1];
      const float low_min = dmin * minimums[2 * j], high_min = dmin * minimums[2 * j + 1];
      for (int i = 0; i < 32; ++i) {
        const int bits = fifth[i] >> (2 * j);
        values[i] = low * static_cast<float>((codes[i] & 15) | (bits & 1) << 4) - low_min;
        values[32 + i] = high * static_cast<float>(codes[i] >> 4 | (bits & 2) << 3) - high_min;
      }
    }
  }

  static Elements elements() {
    return sub_blocks(
        {.kind = ElementKind::whole, .bits = 8, .second = SecondTerm::offset, .levels = 32}, 32);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < size; ++i) {
      const int four = block[48 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
      codes[i] = static_cast<uint8_t>(four | (block[16 + i % 32] >> (i / 32) & 1) << 4);
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    uint8_t *fifth = block + 16, *nibbles = block + 48;
    std::memset(fifth, 0, 32);
    for (int j = 0; j < 4; ++j) {
      for (int i = 0; i < 32; ++i) {
        const int low = codes[64 * j + i], high = codes[64 * j + 32 + i];
        nibbles[32 * j + i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
        fifth[i] = static_cast<uint8_t>(fifth[i] | (low >> 4 | high >> 4 << 1) << (2 * j));
      }
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    return six_bit_element_scale(block, k);
  }

  using Batch = RangedBatch<32, 31, 63, &BlockSearches::q5_k>;
  static void put(uint8_t* block, const Batch::Found& found) {
    put_six_bit_header(block, found);
    put_element_codes(block, found.codes);
  }
};

}  // namespace
}  // namespace gguf

Format q5_k_format() { return gguf::BlockFormat<gguf::BlockQ5K>::format(13, "q5_1"); }

}  // namespace farthing
