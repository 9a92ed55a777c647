// gguf_mxfp4: blocks of 32 along k; E2M1 elements under a power of two; 4.25 bits a weight.
//
// Layout: [e: E8M0][16 bytes of codes], 17 bytes; element i < 16 is the low nibble of byte i, else
//         the high nibble of byte i - 16 (checkpoints of Hugging Face pair neighbours instead).
// Value:  2^(e - 128) * book[code], exact; the book is twice E2M1. To the integer kernels a weight
//         is the book's number.
// Rules:  e = floor(log2 amax) - 2 + 127, at least 0; codes are the nearest, ties toward zero,
//         saturating.
// Source: OCP MX 1.0 (the element and the rule); ggml's block_mxfp4, the Python package gguf, whose
//         bytes encoding gives (it takes the logarithm in floats, which just below a power of two
//         may round up; here the exponent is exact).
#include <bit>

#include "formats/gguf/blocks.h"
#include "formats/gguf/e2m1_book.h"

namespace farthing {
namespace gguf {
namespace {

struct BlockMxfp4 {
  static constexpr int64_t size = 32, bytes = 17;
  static constexpr int bits = 5;
  static constexpr std::string_view layout =
      "blocks [e: E8M0][16 bytes of codes]; low nibbles are elements 0..15";
  static constexpr std::string_view value = "2^(e - 127) * element: E2M1, at most 6";

  // 2^(e - 128)
  static float scale(const uint8_t* block) {
    const uint32_t e = block[0];
    return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  }

  static void codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < 16; ++i) {
      codes[i] = static_cast<uint8_t>(e2m1_book[block[1 + i] & 15] + 16);
      codes[16 + i] = static_cast<uint8_t>(e2m1_book[block[1 + i] >> 4] + 16);
    }
  }

  static void decode(const uint8_t* block, float* values) {
    const float d = scale(block);
    for (int i = 0; i < 16; ++i) {
      values[i] = d * static_cast<float>(e2m1_book[block[1 + i] & 15]);
      values[16 + i] = d * static_cast<float>(e2m1_book[block[1 + i] >> 4]);
    }
  }

  static Elements elements() {
    Elements e{.kind = ElementKind::book, .bits = 4};
    for (size_t code = 0; code < 16; ++code) e.book[code] = e2m1_book[code];
    e.group = size;
    e.scale_dtype = DType::bf16;
    return e;
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < 16; ++i) {
      codes[i] = block[1 + i] & 15;
      codes[16 + i] = block[1 + i] >> 4;
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    for (int i = 0; i < 16; ++i) block[1 + i] = static_cast<uint8_t>(codes[i] | codes[16 + i] << 4);
  }
  static ElementScale element_scale(const uint8_t* block, int k) { return {scale(block)}; }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    const auto exponent =
        static_cast<int>(std::bit_cast<uint32_t>(e.amax()) >> 23);  // 0: subnormal
    block[0] = static_cast<uint8_t>(exponent > 2 ? exponent - 2 : 0);
    const float d = scale(block);
    EncodeReport report;
    report.zero_groups = e.amax() == 0;
    report.flushed_groups = e.amax() > 0 && e.amax() <= 0.5f * d;
    uint8_t codes[size];
    for (int i = 0; i < size; ++i) codes[i] = static_cast<uint8_t>(e2m1_code(x[i] / d));
    put_element_codes(block, codes);
    return report;
  }
};

}  // namespace
}  // namespace gguf

Format gguf_mxfp4_format() {
  Format f = gguf::GridBlockFormat<gguf::BlockMxfp4>::format(39);
  f.scale_dtype = DType::f32;  // no half holds all of E8M0
  return f;
}

}  // namespace farthing
