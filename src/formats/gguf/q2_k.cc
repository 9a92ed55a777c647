// q2_k: blocks of 256 along k; 2-bit codes, 4-bit scales and minimums for each 16; 2.625 bits a
// weight.
//
// Layout: [16 bytes: scale low, minimum high][64 bytes of codes][d: f16][dmin: f16], 84 bytes. Bits
//         2 s, 2 s + 1 of byte i of the h-th 32 bytes of codes: element 128 h + 32 s + i.
// Value:  (d * scale) * code - (dmin * minimum); both products, their product with the code and the
//         difference rounded to f32.
// Source: ggml's block_q2_K, the Python package gguf; encoding: search/ranged_batch.h.
#include "formats/gguf/blocks.h"
#include "formats/gguf/search/ranged_batch.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockQ2K {
  static constexpr int64_t size = 256, bytes = 84;
  static constexpr std::string_view layout =
      "blocks of 256: [16 scales and 16 minimums of 4 bits][64 bytes of codes][d: f16][dmin: f16]";
  static constexpr std::string_view value =
      "d * scale * code - dmin * minimum, code in 0..3, scale and minimum for each 16";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block + 80), dmin = half_at(block + 82);
    const uint8_t *scales = block, *codes = block + 16;
    for (int h = 0; h < 2; ++h, codes += 32) {
      for (int shift = 0; shift < 8; shift += 2, values += 32, scales += 2) {
        const float first = d * static_cast<float>(scales[0] & 15),
                    second = d * static_cast<float>(scales[1] & 15);
        const float first_min = dmin * static_cast<float>(scales[0] >> 4),
                    second_min = dmin * static_cast<float>(scales[1] >> 4);
        for (int i = 0; i < 16; ++i) {
          values[i] = first * static_cast<float>(codes[i] >> shift & 3) - first_min;
          values[16 + i] = second * static_cast<float>(codes[16 + i] >> shift & 3) - second_min;
        }
      }
    }
  }

  static Elements elements() {
    return sub_blocks(
        {.kind = ElementKind::book, .bits = 2, .second = SecondTerm::offset, .book = whole_book(0)},
        16);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < size; ++i)
      codes[i] = block[16 + i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    std::memset(block + 16, 0, 64);
    for (int i = 0; i < size; ++i) {
      uint8_t& byte = block[16 + i / 128 * 32 + i % 32];
      byte = static_cast<uint8_t>(byte | codes[i] << (i / 32 % 4 * 2));
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int both = block[k / 16];
    return {static_cast<float>(both & 15), static_cast<float>(both >> 4), half_at(block + 80),
            -half_at(block + 82)};
  }

  using Batch = RangedBatch<16, 3, 15, &BlockSearches::q2_k>;
  static void put(uint8_t* block, const Batch::Found& found) {
    for (int p = 0; p < 16; ++p)
      block[p] = static_cast<uint8_t>(found.scales[p] | found.minimums[p] << 4);
    put_element_codes(block, found.codes);
    std::memcpy(block + 80, &found.half, 2);
    std::memcpy(block + 82, &found.min_half, 2);
  }
};

}  // namespace
}  // namespace gguf

Format q2_k_format() { return gguf::BlockFormat<gguf::BlockQ2K>::format(10, "q4_0"); }

}  // namespace farthing
