// tq1_0: blocks of 256 along k; ternary codes, five in a byte; 1.6875 bits a weight.
//
// Layout: [48 bytes of five codes][4 bytes of four codes][d: f16], 54 bytes. A byte is a fraction
// of
//         256: ceil(256 / 243 sum code_s 3^(4 - s)), so that the digit s is the byte times 3^s,
//         modulo 256, times 3, divided by 256. Byte i < 32 holds the elements i + 32 s, byte 32 + i
//         the elements 160 + i + 16 s, byte 48 + i the elements 240 + i + 4 s (s < 4).
// Value:  d * (code - 1).
// Source: ggml's block_tq1_0, the Python package gguf, whose bytes encoding gives.
#include "formats/gguf/ternary.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockTq10 {
  static constexpr int64_t size = 256, bytes = 54;
  static constexpr std::string_view layout =
      "blocks of 256: [48 bytes of five codes][4 bytes of four codes][d: f16]";
  static constexpr std::string_view value = "d * (code - 1), code in 0..2";

  // `rows` digits of each of `width` bytes.
  template <int width, int rows>
  static void digits(const uint8_t* stored, float d, float* values) {
    unsigned power = 1;
    for (int s = 0; s < rows; ++s, power *= 3) {
      for (int i = 0; i < width; ++i) {
        const unsigned digit = (stored[i] * power & 255) * 3 >> 8;
        values[width * s + i] = d * static_cast<float>(static_cast<int>(digit) - 1);
      }
    }
  }
  template <int width, int rows>
  static void put_digits(const uint8_t* codes, uint8_t* stored) {
    for (int i = 0; i < width; ++i) {
      int sum = 0;
      for (int s = 0; s < 5; ++s) sum = 3 * sum + (s < rows ? codes[width * s + i] : 0);
      stored[i] = static_cast<uint8_t>((sum * 256 + 242) / 243);
    }
  }

  static void decode(const uint8_t* block, float* values) {
    const float d = half_at(block + 52);
    digits<32, 5>(block, d, values);
    digits<16, 5>(block + 32, d, values + 160);
    digits<4, 4>(block + 48, d, values + 240);
  }

  static Elements elements() {
    Elements e{.kind = ElementKind::book, .bits = 2};
    e.book = whole_book(1);
    e.levels = 3;
    e.group = size;
    return e;
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    unsigned power = 1;
    for (int s = 0; s < 5; ++s, power *= 3) {
      const auto digit = [&](int byte) {
        return static_cast<uint8_t>((block[byte] * power & 255) * 3 >> 8);
      };
      for (int i = 0; i < 32; ++i) codes[32 * s + i] = digit(i);
      for (int i = 0; i < 16; ++i) codes[160 + 16 * s + i] = digit(32 + i);
      for (int i = 0; i < 4 && s < 4; ++i) codes[240 + 4 * s + i] = digit(48 + i);
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    put_digits<32, 5>(codes, block);
    put_digits<16, 5>(codes + 160, block + 32);
    put_digits<4, 4>(codes + 240, block + 48);
  }
  static ElementScale element_scale(const uint8_t* block, int k) { return {half_at(block + 52)}; }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    uint8_t codes[size];
    const EncodeReport report = encode_ternary(x, e, block + 52, codes);
    put_element_codes(block, codes);
    return report;
  }
};

}  // namespace
}  // namespace gguf

Format tq1_0_format() { return gguf::BlockFormat<gguf::BlockTq10>::format(34, "q4_0"); }

}  // namespace farthing
