// q4_k: blocks of 256 along k; 4-bit codes, 6-bit scales and minimums for each 32; 4.5 bits a
// weight.
//
// Layout: [d: f16][dmin: f16][12 bytes: six_bit_scales.h][128 bytes of codes], 144 bytes. Byte i of
//         the j-th 32 bytes of codes: element 64 j + i low, element 64 j + 32 + i high.
// Value:  (d * scale) * code - (dmin * minimum); both products, their product with the code and the
//         difference rounded to f32.
// Source: ggml's block_q4_K, the Python package gguf; encoding: search/ranged_batch.h.
#include "formats/gguf/search/ranged_batch.h"
#include "formats/gguf/six_bit_scales.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockQ4K {
  static constexpr int64_t size = 256, bytes = 144;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][dmin: f16][8 scales and 8 minimums of 6 bits][128 bytes of codes]";
  static constexpr std::string_view value =
      "d * scale * code - dmin * minimum, code in 0..15, scale and minimum for each 32";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block), dmin = half_at(block + 2);
    uint8_t scales[8], minimums[8];
    get_six_bit_scales(block + 4, scales, minimums);
    const uint8_t* codes = block + 16;
    for (int j = 0; j < 4; ++j, codes += 32, values += 64) {
      const float low = d * scales[2 * j], high = d * scales[2 * j + 1];
      const float low_min = dmin * minimums[2 * j], high_min = dmin * minimums[2 * j + 1];
      for (int i = 0; i < 32; ++i) {
        values[i] = low * static_cast<float>(codes[i] & 15) - low_min;
        values[32 + i] = high * static_cast<float>(codes[i] >> 4) - high_min;
      }
    }
  }

  static Elements elements() {
    return sub_blocks(
        {.kind = ElementKind::book, .bits = 4, .second = SecondTerm::offset, .book = whole_book(0)},
        32);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < size; ++i)
      codes[i] = block[16 + i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    for (int j = 0; j < 4; ++j)
      for (int i = 0; i < 32; ++i)
        block[16 + 32 * j + i] =
            static_cast<uint8_t>(codes[64 * j + i] | codes[64 * j + 32 + i] << 4);
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    return six_bit_element_scale(block, k);
  }

  using Batch = RangedBatch<32, 15, 63, &BlockSearches::q4_k>;
  static void put(uint8_t* block, const Batch::Found& found) {
    put_six_bit_header(block, found);
    put_element_codes(block, found.codes);
  }
};

}  // namespace
}  // namespace gguf

Format q4_k_format() { return gguf::BlockFormat<gguf::BlockQ4K>::format(12, "q5_0"); }

}  // namespace farthing
