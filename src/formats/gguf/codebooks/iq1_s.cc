// iq1_s: blocks of 256 along k; eight weights are one of 2048 rows of -1, 0, 1, shifted by an
// eighth; 1.5625 bits a weight.
//
// Layout: [d: f16][32 low bytes of row numbers][8 words of 16 bits: four times 3 high bits of row
//         numbers, 3 bits of scale, a bit: the shift is negative], 50 bytes; a word for each 32
//         weights.
// Value:  d * (2 scale + 1) * (level + shift), both products rounded; shift 1/8 or -1/8.
// Source: ggml's block_iq1_s, the Python package gguf; encoding: grid_search.h (the home engine
// demands importances for it, here all weights count alike).
#include "formats/gguf/blocks.h"
#include "formats/gguf/codebooks/grid_search.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq1S {
  static constexpr int64_t size = 256, bytes = 50;
  static constexpr std::string_view layout =
      "blocks of 256: [d: f16][32 low row numbers] and for each 32 [4 x 3 high bits, 3 bits of "
      "scale, "
      "sign of the shift]";
  static constexpr std::string_view value =
      "d * (2 scale + 1) * (level + shift), rows of eight levels -1, 0, 1, shift 1/8 or -1/8";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block);
    const uint8_t *low = block + 2, *words = block + 34;
    for (int p = 0; p < 8; ++p, low += 4, words += 2) {
      const int word = words[0] | words[1] << 8;
      const float scale = d * static_cast<float>(2 * (word >> 12 & 7) + 1);
      const float shift = (word & 0x8000) != 0 ? -0.125f : 0.125f;
      for (int g = 0; g < 4; ++g, values += 8) {
        const int8_t* levels = iq1_grid.row(low[g] | (word >> (3 * g) & 7) << 8);
        for (int j = 0; j < 8; ++j) values[j] = scale * (static_cast<float>(levels[j]) + shift);
      }
    }
  }

  static Elements elements() {
    return sub_blocks({.kind = ElementKind::book, .bits = 4, .book = shifted_levels}, 32);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int g = 0; g < 32; ++g) {
      const int word = block[34 + g / 4 * 2] | block[35 + g / 4 * 2] << 8;
      const int8_t* row = iq1_grid.row(block[2 + g] | (word >> (g % 4 * 3) & 7) << 8);
      for (int j = 0; j < 8; ++j)
        codes[8 * g + j] = static_cast<uint8_t>((row[j] + 1) | (word >> 15) << 2);
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    const int s = block[35 + k / 32 * 2] >> 4 & 7;
    return {.scale = static_cast<float>(2 * s + 1), .unit = half_at(block)};
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    const GridBlock<ShiftedRows<32, 32>, 7> found(x, e.amax(), 1.0f);
    if (found.half == 0) return found.report;
    std::memcpy(block, &found.half, 2);
    for (int p = 0; p < 8; ++p) {
      const auto& rows = found.rows[p];
      int word = found.scales[p] << 12 | (rows.minus[0] ? 0x8000 : 0);
      for (int g = 0; g < 4; ++g) {
        block[2 + 4 * p + g] = static_cast<uint8_t>(rows.rows[g]);
        word |= rows.rows[g] >> 8 << (3 * g);
      }
      block[34 + 2 * p] = static_cast<uint8_t>(word);
      block[35 + 2 * p] = static_cast<uint8_t>(word >> 8);
    }
    return found.report;
  }
};

}  // namespace
}  // namespace gguf

Format iq1_s_format() { return gguf::BlockFormat<gguf::BlockIq1S>::format(19, "iq4_nl"); }

}  // namespace farthing
