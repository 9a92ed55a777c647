// iq3_xxs: blocks of 256 along k; four weights are one of 256 rows of a code book, with signs;
// 3.0625 bits a weight.
//
// Layout: [d: f16][64 row numbers] and, for each 32 weights, a word as in iq2_xxs: four times 7
// bits
//         of signs and 4 bits of scale; 98 bytes.
// Value:  d * (scale + 1/2) * 1/2 * level, rounded after each product; levels 4, 12, ..., 52, 62.
// Source: ggml's block_iq3_xxs, the Python package gguf; encoding: grid_search.h.
#include "formats/gguf/blocks.h"
#include "formats/gguf/codebooks/grid_search.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq3Xxs {
  static constexpr int64_t size = 256, bytes = 98;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][64 row numbers] and for each 32 [4 x 7 signs and 4 bits of scale]";
  static constexpr std::string_view value =
      "d * (scale + 1/2) / 2 * level, rows of four levels 4, 12, ..., 52, 62 with an even number "
      "of minus signs in eight";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block);
    const uint8_t *rows = block + 2, *words = block + 66;
    for (int p = 0; p < 8; ++p, rows += 8, words += 4) {
      uint32_t word;
      std::memcpy(&word, words, 4);
      const float scale = d * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
      for (int g = 0; g < 4; ++g, values += 8) {
        const uint8_t signs = even_signs[word >> (7 * g) & 127];
        decode_signed(iq3_xxs_grid.row(rows[2 * g]), iq3_xxs_grid.row(rows[2 * g + 1]), signs,
                      scale, values);
      }
    }
  }

  static Elements elements() {
    return sub_blocks(
        {.kind = ElementKind::book, .bits = 4, .book = signed_levels(iq3_xxs_grid.levels)}, 32);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int g = 0; g < 32; ++g) {
      uint32_t word;
      std::memcpy(&word, block + 66 + g / 4 * 4, 4);
      signed_codes<3>(iq3_xxs_grid.row(block[2 + 2 * g]), iq3_xxs_grid.row(block[3 + 2 * g]),
                      even_signs[word >> (g % 4 * 7) & 127], codes + 8 * g);
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int s = block[69 + k / 32 * 4] >> 4;
    return {.scale = 0.5f + static_cast<float>(s), .unit = 0.5f * half_at(block)};
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    const GridBlock<SignedRows<iq3_xxs_grid, 32, true>, 15> found(x, e.amax(), 0.25f);
    if (found.half == 0) return found.report;
    std::memcpy(block, &found.half, 2);
    uint8_t *rows = block + 2, *words = block + 66;
    for (int p = 0; p < 8; ++p, rows += 8, words += 4) {
      uint32_t word = static_cast<uint32_t>(found.scales[p]) << 28;
      for (int g = 0; g < 4; ++g)
        word |= static_cast<uint32_t>(found.rows[p].signs[g] & 127) << (7 * g);
      std::memcpy(words, &word, 4);
      for (int g = 0; g < 8; ++g) rows[g] = static_cast<uint8_t>(found.rows[p].rows[g]);
    }
    return found.report;
  }
};

}  // namespace
}  // namespace gguf

Format iq3_xxs_format() { return gguf::BlockFormat<gguf::BlockIq3Xxs>::format(18, "iq4_nl"); }

}  // namespace farthing
