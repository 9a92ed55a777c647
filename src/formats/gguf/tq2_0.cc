// tq2_0: blocks of 256 along k; ternary codes of 2 bits; 2.0625 bits a weight.
//
// Layout: [64 bytes of codes][d: f16], 66 bytes. Bits 2 s, 2 s + 1 of byte i of the h-th 32 bytes
//         belong to element 128 h + 32 s + i.
// Value:  d * (code - 1); encoding uses the codes 0..2 only, a file may hold 3.
// Source: ggml's block_tq2_0, the Python package gguf, whose bytes encoding gives.
#include "formats/gguf/ternary.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockTq20 {
  static constexpr int64_t size = 256, bytes = 66;
  static constexpr std::string_view layout = "blocks of 256: [64 bytes of codes][d: f16]";
  static constexpr std::string_view value = "d * (code - 1), code in 0..2";

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block + 64);
    for (int h = 0; h < 2; ++h, block += 32)
      for (int shift = 0; shift < 8; shift += 2, values += 32)
        for (int i = 0; i < 32; ++i)
          values[i] = d * static_cast<float>((block[i] >> shift & 3) - 1);
  }

  static Elements elements() {
    Elements e{.kind = ElementKind::book, .bits = 2};
    e.book = whole_book(1);
    e.levels = 3;
    e.group = size;
    return e;
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < size; ++i) codes[i] = block[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    for (int h = 0; h < 2; ++h)
      for (int i = 0; i < 32; ++i) {
        const uint8_t* of_byte = codes + 128 * h + i;
        block[32 * h + i] = static_cast<uint8_t>(of_byte[0] | of_byte[32] << 2 | of_byte[64] << 4 |
                                                 of_byte[96] << 6);
      }
  }
  static ElementScale element_scale(const uint8_t* block, int k) { return {half_at(block + 64)}; }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    uint8_t codes[size];
    const EncodeReport report = encode_ternary(x, e, block + 64, codes);
    put_element_codes(block, codes);
    return report;
  }
};

}  // namespace
}  // namespace gguf

Format tq2_0_format() { return gguf::BlockFormat<gguf::BlockTq20>::format(35, "q4_0"); }

}  // namespace farthing
