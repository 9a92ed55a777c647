// iq3_s: blocks of 256 along k; four weights are one of 512 rows of a code book, with free signs;
// 3.4375 bits a weight.
//
// Layout: [d: f16][64 low bytes of row numbers][8 bytes: bit i is the ninth bit of row i of its 32
//         weights][32 bytes of signs, bit j: minus at element j][8 scales of 4 bits, first low],
//         110 bytes; a scale for each 32 weights.
// Value:  d * (2 scale + 1) * level, rounded after each product; levels 1, 3, ..., 15.
// Source: ggml's block_iq3_s, the Python package gguf; encoding: grid_search.h.
#include "formats/gguf/blocks.h"
#include "formats/gguf/codebooks/grid_search.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq3S {
  static constexpr int64_t size = 256, bytes = 110;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][64 low row numbers][8 bytes of high bits][32 bytes of signs][8 "
      "scales "
      "of 4 bits]";
  static constexpr std::string_view value =
      "d * (2 scale + 1) * level, rows of four levels 1, 3, ..., 15 and a sign for each";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block);
    const uint8_t *low = block + 2, *high = block + 66, *signs = block + 74, *scales = block + 106;
    for (int p = 0; p < 8; ++p, low += 8, signs += 4) {
      const int s = scales[p / 2] >> (p % 2 * 4) & 15;
      const float scale = d * static_cast<float>(2 * s + 1);
      for (int g = 0; g < 4; ++g, values += 8) {
        const int first = low[2 * g] | (high[p] >> (2 * g) & 1) << 8,
                  second = low[2 * g + 1] | (high[p] >> (2 * g + 1) & 1) << 8;
        decode_signed(iq3_s_grid.row(first), iq3_s_grid.row(second), signs[g], scale, values);
      }
    }
  }

  static Elements elements() {
    return sub_blocks(
        {.kind = ElementKind::book, .bits = 4, .book = signed_levels(iq3_s_grid.levels)}, 32);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int g = 0; g < 32; ++g) {
      const int high = block[66 + g / 4] >> (g % 4 * 2);
      signed_codes<1>(iq3_s_grid.row(block[2 + 2 * g] | (high & 1) << 8),
                      iq3_s_grid.row(block[3 + 2 * g] | (high & 2) << 7), block[74 + g],
                      codes + 8 * g);
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int s = block[106 + k / 64] >> (k / 32 % 2 * 4) & 15;
    return {.scale = static_cast<float>(2 * s + 1), .unit = half_at(block)};
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    const GridBlock<SignedRows<iq3_s_grid, 32, false>, 15> found(x, e.amax(), 1.0f);
    if (found.half == 0) return found.report;
    std::memcpy(block, &found.half, 2);
    for (int p = 0; p < 8; ++p) {
      for (int g = 0; g < 8; ++g) {
        const int row = found.rows[p].rows[g];
        block[2 + 8 * p + g] = static_cast<uint8_t>(row);
        block[66 + p] = static_cast<uint8_t>(block[66 + p] | row >> 8 << g);
      }
      std::memcpy(block + 74 + 4 * p, found.rows[p].signs, 4);
    }
    for (int p = 0; p < 4; ++p)
      block[106 + p] = static_cast<uint8_t>(found.scales[2 * p] | found.scales[2 * p + 1] << 4);
    return found.report;
  }
};

}  // namespace
}  // namespace gguf

Format iq3_s_format() { return gguf::BlockFormat<gguf::BlockIq3S>::format(21, "iq4_nl"); }

}  // namespace farthing
