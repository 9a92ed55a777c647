// gguf_nvfp4: blocks of 64 along k; E2M1 elements under an E4M3 scale for each 16; 4.5 bits a
// weight.
//
// Layout: [4 scales: E4M3 without sign][32 bytes of codes], 36 bytes. Byte j of the s-th 8 bytes of
//         codes: element 16 s + j low, element 16 s + 8 + j high.
// Value:  scale / 2 * book[code], one rounding to f32 (exact in range); the book is twice E2M1. The
//         scale's code 0x7f is 0; its top bit is not read. There is no scale of the tensor in it.
// Rules:  of the scales from the one that puts the largest weight on 4 to the one that puts it on 8
//         (it is then clipped to 6), the one with the least squared error; codes are the nearest,
//         ties toward zero, saturating. A scale beyond 448 is an error.
// Source: ggml's block_nvfp4, the Python package gguf. The range of scales follows 4/6 (arXiv
//         2512.02010).
#include <array>
#include <bit>

#include "formats/gguf/blocks.h"
#include "formats/gguf/e2m1_book.h"

namespace farthing {
namespace gguf {
namespace {

// Half the value of each code of a scale.
constexpr std::array<float, 256> half_scales = [] {
  std::array<float, 256> out{};
  for (int code = 0; code < 256; ++code) {
    const int exponent = code >> 3 & 15, mantissa = code & 7;
    float power = 0x1p-7f;  // of exponent 1, halved
    for (int i = 1; i < exponent; ++i) power *= 2;
    const float value = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-10f
                                      : (1.0f + static_cast<float>(mantissa) / 8.0f) * power;
    out[static_cast<size_t>(code)] = code == 0x7f ? 0.0f : value;
  }
  return out;
}();

struct BlockNvfp4 {
  static constexpr int64_t size = 64, bytes = 36;
  static constexpr std::string_view layout =
      "blocks of 64: [4 scales: E4M3][32 bytes of codes, low nibbles the first 8 of each 16]";
  static constexpr std::string_view value = "scale * element: E2M1, at most 6; a scale for each 16";

  static void decode(const uint8_t* block, float* values) {
    const uint8_t* codes = block + 4;
    for (int s = 0; s < 4; ++s, codes += 8, values += 16) {
      const float d = half_scales[block[s]];
      for (int j = 0; j < 8; ++j) {
        values[j] = d * static_cast<float>(e2m1_book[codes[j] & 15]);
        values[8 + j] = d * static_cast<float>(e2m1_book[codes[j] >> 4]);
      }
    }
  }

  static float error(const float* x, float d) {
    float sum = 0;
    for (int i = 0; i < 16; ++i) {
      const float miss = x[i] - d * static_cast<float>(e2m1_book[e2m1_code(x[i] / d)]);
      sum += miss * miss;
    }
    return sum;
  }

  static Elements elements() {
    Elements e{.kind = ElementKind::book, .bits = 4};
    for (size_t code = 0; code < 16; ++code) e.book[code] = e2m1_book[code];
    e.group = 16;
    e.scale_dtype = DType::bf16;
    return e;
  }
  static void element_codes(const uint8_t* block, uint8_t* codes) {
    for (int i = 0; i < 32; ++i) {
      codes[i / 8 * 16 + i % 8] = block[4 + i] & 15;
      codes[i / 8 * 16 + 8 + i % 8] = block[4 + i] >> 4;
    }
  }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) {
    for (int i = 0; i < 32; ++i)
      block[4 + i] =
          static_cast<uint8_t>(codes[i / 8 * 16 + i % 8] | codes[i / 8 * 16 + 8 + i % 8] << 4);
  }
  static ElementScale element_scale(const uint8_t* block, int k) {
    return {half_scales[block[k / 16]]};
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e) {
    EncodeReport report;
    uint8_t codes[size] = {};
    std::memset(block, 0, bytes);
    if (e.amax() == 0) return {.zero_groups = 1};
    if (e.amax() > 6 * 448.0f) return {.overflowed_scales = 1};
    for (int s = 0; s < 4; ++s, x += 16) {
      const float amax = extremes_of(x, 16).amax();
      int best = 0;
      float least = INFINITY;
      for (int code = 1; code < 0x7f; ++code) {
        const float d = half_scales[static_cast<size_t>(code)];
        if (code < 0x7e && 16.0f * d < amax) continue;
        if (code > 1 && 8.0f * d > amax) break;
        const float err = error(x, d);
        if (err < least) {
          least = err;
          best = code;
        }
      }
      const float d = half_scales[static_cast<size_t>(best)];
      if (d == 0) continue;
      block[s] = static_cast<uint8_t>(best);
      for (int j = 0; j < 16; ++j) codes[16 * s + j] = static_cast<uint8_t>(e2m1_code(x[j] / d));
    }
    put_element_codes(block, codes);
    report.flushed_groups = e.amax() <= 0.5f * half_scales[1];
    return report;
  }
};

}  // namespace
}  // namespace gguf

Format gguf_nvfp4_format() { return gguf::BlockFormat<gguf::BlockNvfp4>::format(40); }

}  // namespace farthing
