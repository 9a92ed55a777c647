// iq2_s: blocks of 256 along k; eight weights are one of 1024 rows of a code book, with free signs;
// 2.5625 bits a weight.
//
// Layout: [d: f16][32 low bytes of row numbers][32 bytes of signs, bit j: minus at element j][8
// bytes
//         of high bits of row numbers, two bits each, first low][16 scales of 4 bits, first low],
//         82 bytes; a scale for each 16 weights.
// Value:  d * (scale + 1/2) * 1/4 * level, rounded after each product; levels 8, 25, 43.
// Source: ggml's block_iq2_s, the Python package gguf; encoding: grid_search.h.
#include "formats/gguf/blocks.h"
#include "formats/gguf/codebooks/grid_search.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq2S {
  static constexpr int64_t size = 256, bytes = 82;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][32 low row numbers][32 bytes of signs][8 of high bits][16 scales of "
      "4 "
      "bits]";
  static constexpr std::string_view value =
      "d * (scale + 1/2) / 4 * level, rows of eight levels 8, 25, 43 and a sign for each";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block);
    const uint8_t *low = block + 2, *signs = block + 34, *high = block + 66, *scales = block + 74;
    for (int p = 0; p < 16; ++p) {
      const int s = scales[p / 2] >> (p % 2 * 4) & 15;
      const float scale = d * (0.5f + static_cast<float>(s)) * 0.25f;
      for (int g = 2 * p; g < 2 * p + 2; ++g, values += 8) {
        const int row = low[g] | (high[g / 4] >> (g % 4 * 2) & 3) << 8;
        decode_signed(iq2_s_grid.row(row), signs[g], scale, values);
      }
    }
  }

  static Elements elements() {
    return sub_blocks(
        {.kind = ElementKind::book, .bits = 4, .book = signed_levels(iq2_s_grid.levels)}, 16);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int g = 0; g < 32; ++g) {
      const int high = block[66 + g / 4] >> (g % 4 * 2) & 3;
      const int8_t* row = iq2_s_grid.row(block[2 + g] | high << 8);
      signed_codes<4>(row, row + 4, block[34 + g], codes + 8 * g);
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int s = block[74 + k / 32] >> (k / 16 % 2 * 4) & 15;
    return {.scale = 0.5f + static_cast<float>(s), .unit = 0.25f * half_at(block)};
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    const GridBlock<SignedRows<iq2_s_grid, 16, false>, 15> found(x, e.amax(), 0.125f);
    if (found.half == 0) return found.report;
    std::memcpy(block, &found.half, 2);
    for (int g = 0; g < 32; ++g) {
      const int row = found.rows[g / 2].rows[g % 2];
      block[2 + g] = static_cast<uint8_t>(row);
      block[34 + g] = found.rows[g / 2].signs[g % 2];
      block[66 + g / 4] = static_cast<uint8_t>(block[66 + g / 4] | row >> 8 << (g % 4 * 2));
    }
    for (int p = 0; p < 8; ++p)
      block[74 + p] = static_cast<uint8_t>(found.scales[2 * p] | found.scales[2 * p + 1] << 4);
    return found.report;
  }
};

}  // namespace
}  // namespace gguf

Format iq2_s_format() { return gguf::BlockFormat<gguf::BlockIq2S>::format(22, "iq4_nl"); }

}  // namespace farthing
