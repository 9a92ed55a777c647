// iq2_xs: blocks of 256 along k; eight weights are one of 512 rows of a code book, with
// signs; 2.3125 bits a weight.
//
// Layout: [d: f16][32 words of 16 bits: 9 bits of row number, 7 of signs as in iq2_xxs][16 scales
// of 4
//         bits, the first of a byte low], 74 bytes; a scale for each 16 weights.
// Value:  d * (scale + 1/2) * 1/4 * level, rounded after each product; levels 8, 25, 43.
// Source: ggml's block_iq2_xs, the Python package gguf; encoding: grid_search.h (the home engine
// demands importances for it, here all weights count alike).
#include "formats/gguf/blocks.h"
#include "formats/gguf/codebooks/grid_search.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq2Xs {
  static constexpr int64_t size = 256, bytes = 74;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][32 words of 9 bits of row and 7 of signs][16 scales of 4 bits]";
  static constexpr std::string_view value =
      "d * (scale + 1/2) / 4 * level, rows of eight levels 8, 25, 43 with an even number of minus "
      "signs";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block);
    for (int p = 0; p < 16; ++p) {
      const int s = block[66 + p / 2] >> (p % 2 * 4) & 15;
      const float scale = d * (0.5f + static_cast<float>(s)) * 0.25f;
      for (int g = 2 * p; g < 2 * p + 2; ++g, values += 8) {
        const int word = block[2 + 2 * g] | block[3 + 2 * g] << 8;
        decode_signed(iq2_xs_grid.row(word & 511), even_signs[static_cast<size_t>(word >> 9)],
                      scale, values);
      }
    }
  }

  static Elements elements() {
    return sub_blocks(
        {.kind = ElementKind::book, .bits = 4, .book = signed_levels(iq2_xs_grid.levels)}, 16);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int g = 0; g < 32; ++g) {
      const int word = block[2 + 2 * g] | block[3 + 2 * g] << 8;
      const int8_t* row = iq2_xs_grid.row(word & 511);
      signed_codes<4>(row, row + 4, even_signs[static_cast<size_t>(word >> 9)], codes + 8 * g);
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int s = block[66 + k / 32] >> (k / 16 % 2 * 4) & 15;
    return {.scale = 0.5f + static_cast<float>(s), .unit = 0.25f * half_at(block)};
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    const GridBlock<SignedRows<iq2_xs_grid, 16, true>, 15> found(x, e.amax(), 0.125f);
    if (found.half == 0) return found.report;
    std::memcpy(block, &found.half, 2);
    for (int g = 0; g < 32; ++g) {
      const auto& rows = found.rows[g / 2];
      const int word = rows.rows[g % 2] | (rows.signs[g % 2] & 127) << 9;
      block[2 + 2 * g] = static_cast<uint8_t>(word);
      block[3 + 2 * g] = static_cast<uint8_t>(word >> 8);
    }
    for (int p = 0; p < 8; ++p)
      block[66 + p] = static_cast<uint8_t>(found.scales[2 * p] | found.scales[2 * p + 1] << 4);
    return found.report;
  }
};

}  // namespace
}  // namespace gguf

Format iq2_xs_format() { return gguf::BlockFormat<gguf::BlockIq2Xs>::format(17, "iq4_nl"); }

}  // namespace farthing
