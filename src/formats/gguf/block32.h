// GGUF's blocks of 32 along k with one scale, and the Python package gguf's bytes: q4_0, q4_1,
// q5_0, q5_1, q8_0.
//
// q4_0: [d: f16][codes: 16 bytes], 18 bytes; value d * (code - 8); 4.5 bits a weight.
// q4_1: [d: f16][m: f16][codes: 16 bytes], 20 bytes; value d * code + m (product and sum each
// rounded); 5 bits.
// q5_0: [d: f16][fifth bits: 4 bytes][codes: 16 bytes], 22 bytes; value d * (code - 16); 5.5 bits.
// q5_1: [d: f16][m: f16][fifth bits: 4 bytes][codes: 16 bytes], 24 bytes; value d * code + m; 6
// bits. q8_0: [d: f16][codes: 32 signed bytes], 34 bytes; value d * code; 8.5 bits. In 4-bit blocks
// element i < 16 is the low nibble of byte i, else the high nibble of byte i - 16; bit i of the
// fifth bits, little endian, belongs to element i. Encoding gives the bytes of the package: codes
// come from the unrounded scale's reciprocal (the home engine's rule, which differs from our own
// formats'), then the scale is rounded to f16. Source: ggml/docs and gguf-py quants (block
// layouts); tests hold its vectors.
#pragma once

#include "formats/gguf/blocks.h"
#include "formats/gguf/min_search.h"
#include "formats/group_search.h"

namespace farthing::gguf {

enum class BlockKind { q4_0, q4_1, q5_0, q5_1, q8_0 };

template <BlockKind kind>
struct Block32 {
  static constexpr int64_t size = 32;
  static constexpr bool has_min = kind == BlockKind::q4_1 || kind == BlockKind::q5_1;
  static constexpr int bits = kind == BlockKind::q8_0                              ? 8
                              : kind == BlockKind::q5_0 || kind == BlockKind::q5_1 ? 5
                                                                                   : 4;
  static constexpr int middle = 1 << (bits - 1), highest = (1 << bits) - 1;
  static constexpr int64_t header_bytes = has_min ? 4 : 2;
  static constexpr int64_t bytes = header_bytes + size * bits / 8;
  static constexpr std::string_view layout =
      kind == BlockKind::q4_0 ? "blocks [d: f16][16 bytes of codes]; low nibbles are elements 0..15"
      : kind == BlockKind::q4_1
          ? "blocks [d: f16][m: f16][16 bytes of codes]; low nibbles are elements 0..15"
      : kind == BlockKind::q5_0 ? "blocks [d: f16][4 bytes of fifth bits][16 bytes of codes]; low "
                                  "nibbles are elements 0..15"
      : kind == BlockKind::q5_1 ? "blocks [d: f16][m: f16][4 bytes of fifth bits][16 bytes of "
                                  "codes]; low nibbles are elements 0..15"
                                : "blocks [d: f16][32 signed bytes]";
  static constexpr std::string_view value =
      kind == BlockKind::q4_0   ? "d * (code - 8), code in 0..15"
      : kind == BlockKind::q4_1 ? "d * code + m, code in 0..15"
      : kind == BlockKind::q5_0 ? "d * (code - 16), code in 0..31"
      : kind == BlockKind::q5_1 ? "d * code + m, code in 0..31"
                                : "d * code, code in -127..127";

  static float scale(const uint8_t* block) { return half_at(block); }

  // Unsigned: q8_0's signed bytes are shifted by 128.
  static void codes(const uint8_t* block, uint8_t* codes) {
    const uint8_t* stored = block + header_bytes;
    if constexpr (bits == 8) {
      for (int i = 0; i < 32; ++i) codes[i] = stored[i] ^ 0x80;
    } else {
      const uint8_t* nibbles = stored + (bits == 5 ? 4 : 0);
      for (int i = 0; i < 16; ++i) {
        codes[i] = nibbles[i] & 15;
        codes[i + 16] = nibbles[i] >> 4;
      }
      if constexpr (bits == 5) {
        for (int i = 0; i < 32; ++i)
          codes[i] = static_cast<uint8_t>(codes[i] | (stored[i / 8] >> (i % 8) & 1) << 4);
      }
    }
  }

  template <class Code>
  static void put_codes(uint8_t* block, const Code* codes) {
    uint8_t* stored = block + header_bytes;
    if constexpr (bits == 8) {
      for (int i = 0; i < 32; ++i) stored[i] = static_cast<uint8_t>(codes[i] - middle);
    } else {
      uint8_t* nibbles = stored + (bits == 5 ? 4 : 0);
      if constexpr (bits == 5) {
        uint32_t fifth = 0;
        for (int i = 0; i < 32; ++i) fifth |= static_cast<uint32_t>(codes[i]) >> 4 << i;
        std::memcpy(stored, &fifth, 4);
      }
      for (int i = 0; i < 16; ++i)
        nibbles[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
    }
  }

  // The number of the largest magnitude; the first of two gives the sign, as in the home engine.
  static float extreme(const float* x, const Extremes& e) {
    if (e.high != -e.low) return e.high > -e.low ? e.high : e.low;
    for (int i = 0; i < size; ++i)
      if (x[i] != 0 && std::fabs(x[i]) == e.high) return x[i];
    return 0;
  }

  // The scale before it is rounded, and the lowest value where codes count from it.
  static float unrounded(const float* x, const Extremes& e, float& low) {
    if constexpr (has_min) {
      low = x[0];
      float high = x[0];
      for (int i = 1; i < size; ++i) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
      }
      return (high - low) / static_cast<float>(highest);
    } else if constexpr (bits == 8) {
      return e.amax() / 127.0f;
    } else {
      return extreme(x, e) / -static_cast<float>(middle);
    }
  }

  // With a scale and a lowest value that are given; false where they cannot be stored.
  static bool encode_with_low(uint8_t* block, const float* x, float scale,
                              float lowest) requires has_min {
    const float stored = put_half(block, scale), low = put_half(block + 2, lowest);
    if (!is_finite(stored) || !is_finite(low) || reciprocal(stored) == 0) return false;
    int codes[size];
    for (int i = 0; i < size; ++i)
      codes[i] =
          static_cast<int>(WholeLevels<0, highest>::nearest((x[i] - low) * reciprocal(stored)));
    put_codes(block, codes);
    return true;
  }

  // A block whose scale, and minimum, are searched.
  static bool search(uint8_t* block, const float* x, const float* importance, float start) {
    if constexpr (has_min) {
      const FittedRange range = search_range<size, highest>(x, importance);
      return encode_with_low(block, x, range.scale, -range.minimum);
    } else {
      const auto stored = [&](float scale) { return put_half(block, scale); };
      // codes of q8_0 are symmetric, as its home engine's are
      constexpr float lowest = bits == 8 ? -127 : -middle;
      ScaleSearch search(x, importance, size, NearestWhole{lowest, middle - 1});
      constexpr RangeFactors factors = range_factors(bits);
      for (int i = 0; i < factors.count; ++i) {
        search.consider(start * factors[i], stored);
        if (bits != 8) search.consider(-start * factors[i], stored);
      }
      const float scale = stored(search.best());
      if (scale == 0) return false;
      int codes[size];
      for (int i = 0; i < size; ++i)
        codes[i] =
            middle + static_cast<int>(NearestWhole{lowest, middle - 1}(x[i] * (1.0f / scale)));
      put_codes(block, codes);
      return true;
    }
  }

  static EncodeReport encode(uint8_t* block, const float* x, const Extremes& e,
                             const float* importance) {
    EncodeReport report;
    float low = 0;
    const float scale = unrounded(x, e, low), stored = put_half(block, scale);
    report.overflowed_scales = stored - stored != 0;
    if constexpr (has_min) {
      const float stored_low = put_half(block + 2, low);
      report.overflowed_scales |= stored_low - stored_low != 0;
    }
    if (report.overflowed_scales != 0) return report;
    report.zero_groups = e.amax() == 0;
    report.flushed_groups = e.amax() != 0 && stored == 0 && !has_min;
    if (importance != nullptr && report.zero_groups == 0 && report.flushed_groups == 0 &&
        search(block, x, importance, scale))
      return report;
    const float inverse = scale == 0 ? 0.0f : 1.0f / scale;
    // a subnormal scale: its reciprocal is no number; the block is flushed
    const bool flushed = inverse - inverse != 0;
    int codes[size];
    for (int i = 0; i < size; ++i) {
      if (flushed) {
        codes[i] = has_min ? 0 : middle;
      } else if constexpr (bits == 8) {
        codes[i] = middle + static_cast<int>(round_away(x[i] * inverse));
      } else {
        // two roundings
        const float steps = has_min ? (x[i] - low) * inverse + 0.5f
                                    : x[i] * inverse + (static_cast<float>(middle) + 0.5f);
        const int code = static_cast<int>(steps);
        codes[i] = code > highest ? highest : code;
      }
    }
    put_codes(block, codes);
    return report;
  }

  static void decode(const uint8_t* block, float* values) {
    uint8_t unsigned_codes[size];
    codes(block, unsigned_codes);
    const float scale = half_at(block), low = has_min ? half_at(block + 2) : 0.0f;
    for (int i = 0; i < size; ++i) {
      if constexpr (has_min) {
        values[i] = scale * static_cast<float>(unsigned_codes[i]) + low;
      } else {
        values[i] = scale * static_cast<float>(unsigned_codes[i] - middle);
      }
    }
  }

  // Of the kinds that are no integer grid.
  static Elements elements() requires has_min {
    Elements e{.kind = bits == 4 ? ElementKind::book : ElementKind::whole,
               .bits = bits == 4 ? 4 : 8,
               .second = SecondTerm::offset};
    e.book = whole_book(0);
    e.levels = highest + 1;
    e.group = size;
    return e;
  }
  static void element_codes(const uint8_t* block, uint8_t* to) { codes(block, to); }
  static void put_element_codes(uint8_t* block, const uint8_t* codes) { put_codes(block, codes); }
  static ElementScale element_scale(const uint8_t* block, int) {
    return {half_at(block), half_at(block + 2)};
  }

  static Format format(int gguf_type) {
    static constexpr ScaleRule rules[] = {has_min     ? ScaleRule::min_max
                                          : bits == 8 ? ScaleRule::narrow
                                                      : ScaleRule::signed_};
    Format f;
    if constexpr (has_min) {
      f = BlockFormat<Block32>::format(gguf_type);
    } else {
      f = GridBlockFormat<Block32>::format(gguf_type);
    }
    f.scale_rules = rules;
    return f;
  }
};

}  // namespace farthing::gguf
