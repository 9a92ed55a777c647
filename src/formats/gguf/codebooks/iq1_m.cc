// iq1_m: blocks of 256 along k; eight weights are one of 2048 rows of -1, 0, 1, shifted by an
// eighth; 1.75 bits a weight.
//
// Layout: [32 low bytes of row numbers][16 bytes: for each eight weights 3 high bits of the row
// number
//         and a bit, the shift is negative, the first eight low][4 words of 16 bits: four scales of
//         3 bits and, in the upper four bits, a quarter of d: f16, the lowest first], 56 bytes; a
//         scale for each 16 weights, a shift for each eight.
// Value:  d * (2 scale + 1) * (level + shift), both products rounded; shift 1/8 or -1/8.
// Source: ggml's block_iq1_m, the Python package gguf; encoding: grid_search.h (the home engine
// demands importances for it, here all weights count alike).
#include "formats/gguf/blocks.h"
#include "formats/gguf/codebooks/grid_search.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockIq1M {
  static constexpr int64_t size = 256, bytes = 56;
  static constexpr std::string_view layout =
      "blocks of 256: [32 low row numbers][32 x 3 high bits and the sign of the shift][16 scales "
      "of 3 "
      "bits between quarters of d: f16]";
  static constexpr std::string_view value =
      "d * (2 scale + 1) * (level + shift), rows of eight levels -1, 0, 1, shift 1/8 or -1/8";

  static void decode(const uint8_t* block, float* values) {
    int words[4], half = 0;
    for (int i = 0; i < 4; ++i) {
      words[i] = block[48 + 2 * i] | block[49 + 2 * i] << 8;
      half |= words[i] >> 12 << (4 * i);
    }
    const float d = f32_from_f16(static_cast<uint16_t>(half));
    for (int p = 0; p < 16; ++p) {
      const float scale = d * static_cast<float>(2 * (words[p / 4] >> (p % 4 * 3) & 7) + 1);
      for (int g = 2 * p; g < 2 * p + 2; ++g, values += 8) {
        const int bits = block[32 + g / 2] >> (g % 2 * 4);
        const float shift = (bits & 8) != 0 ? -0.125f : 0.125f;
        const int8_t* levels = iq1_grid.row(block[g] | (bits & 7) << 8);
        for (int j = 0; j < 8; ++j) values[j] = scale * (static_cast<float>(levels[j]) + shift);
      }
    }
  }

  static Elements elements() {
    return sub_blocks({.kind = ElementKind::book, .bits = 4, .book = shifted_levels}, 16);
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int g = 0; g < 32; ++g) {
      const int bits = block[32 + g / 2] >> (g % 2 * 4);
      const int8_t* row = iq1_grid.row(block[g] | (bits & 7) << 8);
      for (int j = 0; j < 8; ++j)
        codes[8 * g + j] = static_cast<uint8_t>((row[j] + 1) | (bits >> 3 & 1) << 2);
    }
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    int half = 0;
    for (int i = 0; i < 4; ++i) half |= block[49 + 2 * i] >> 4 << (4 * i);
    const int word = block[48 + k / 64 * 2] | block[49 + k / 64 * 2] << 8;
    return {.scale = static_cast<float>(2 * (word >> (k / 16 % 4 * 3) & 7) + 1),
            .unit = f32_from_f16(static_cast<uint16_t>(half))};
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    const GridBlock<ShiftedRows<16, 8>, 7> found(x, e.amax(), 1.0f);
    if (found.half == 0) return found.report;
    int words[4];
    for (int i = 0; i < 4; ++i) words[i] = (found.half >> (4 * i) & 15) << 12;
    for (int p = 0; p < 16; ++p) {
      words[p / 4] |= found.scales[p] << (p % 4 * 3);
      int bits = 0;
      for (int g = 0; g < 2; ++g) {
        const int row = found.rows[p].rows[g];
        block[2 * p + g] = static_cast<uint8_t>(row);
        bits |= (row >> 8 | (found.rows[p].minus[g] ? 8 : 0)) << (4 * g);
      }
      block[32 + p] = static_cast<uint8_t>(bits);
    }
    for (int i = 0; i < 4; ++i) {
      block[48 + 2 * i] = static_cast<uint8_t>(words[i]);
      block[49 + 2 * i] = static_cast<uint8_t>(words[i] >> 8);
    }
    return found.report;
  }
};

}  // namespace
}  // namespace gguf

Format iq1_m_format() { return gguf::BlockFormat<gguf::BlockIq1M>::format(29, "iq4_nl"); }

}  // namespace farthing
