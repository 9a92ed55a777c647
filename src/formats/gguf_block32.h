// GGUF's blocks of 32 along k with the scale inside the block: q4_0, q4_1, q8_0.
//
// q4_0: [d: f16][codes: 16 bytes], 18 bytes; value d * (code - 8); 4.5 bits a weight.
// q4_1: [d: f16][m: f16][codes: 16 bytes], 20 bytes; value d * code + m (product and sum each
// rounded); 5 bits. q8_0: [d: f16][codes: 32 signed bytes], 34 bytes; value d * code; 8.5 bits. In
// 4-bit blocks element i < 16 is the low nibble of byte i, else the high nibble of byte i - 16.
// Encoding gives the bytes of the Python package gguf: codes come from the unrounded scale's
// reciprocal (the home engine's rule, which differs from our own formats'), then the scale is
// rounded to f16. Source: ggml/docs and gguf-py quants (block layouts); tests hold its vectors.
#pragma once

#include <cstring>

#include "formats/format.h"

namespace farthing {

enum class GgufBlock { q4_0, q4_1, q8_0 };

template <GgufBlock kind>
struct Block32 {
  static constexpr int64_t size = 32;
  static constexpr bool has_min = kind == GgufBlock::q4_1;
  static constexpr int bits = kind == GgufBlock::q8_0 ? 8 : 4;
  static constexpr int64_t header_bytes = has_min ? 4 : 2;
  static constexpr int64_t block_bytes = header_bytes + size * bits / 8;

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    return {{"blocks", DType::u8, {n, k / size * block_bytes}}};
  }

  static const uint8_t* block_at(const QuantizedTensor& q, int64_t n, int64_t k) {
    return q.planes[0].as<uint8_t>() + (n * (q.k / size) + k / size) * block_bytes;
  }
  static float half_at(const uint8_t* bytes) {
    uint16_t half;
    std::memcpy(&half, bytes, 2);
    return f32_from_f16(half);
  }
  static void put_half(uint8_t* bytes, float value) {
    const uint16_t half = f16_from_f32(value);
    std::memcpy(bytes, &half, 2);
  }

  // Unsigned: q8_0's signed bytes are shifted by 128.
  static void codes_of_block(const uint8_t* block, uint8_t* codes) {
    const uint8_t* stored = block + header_bytes;
    for (int i = 0; i < (bits == 8 ? 32 : 16); ++i) {
      if constexpr (bits == 8) {
        codes[i] = stored[i] ^ 0x80;
      } else {
        codes[i] = stored[i] & 15;
        codes[i + 16] = stored[i] >> 4;
      }
    }
  }

  static EncodeReport encode_block(uint8_t* block, const float* x) {
    EncodeReport report;
    const Extremes e = extremes_of(x, size);
    report.nonfinite = !e.finite;
    if (!e.finite) return report;
    uint8_t* codes = block + header_bytes;
    float low = 0, scale;
    if constexpr (kind == GgufBlock::q4_0) {
      // The first of equal magnitudes gives the sign, as in the home engine.
      float extreme = 0;
      for (int i = 0; i < size; ++i)
        if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
      scale = extreme / -8.0f;
    } else if constexpr (kind == GgufBlock::q4_1) {
      low = x[0];
      float high = x[0];
      for (int i = 1; i < size; ++i) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
      }
      scale = (high - low) / 15.0f;
    } else {
      scale = e.amax() / 127.0f;
    }
    put_half(block, scale);
    if constexpr (has_min) put_half(block + 2, low);
    const float stored = half_at(block);
    report.overflowed_scales = stored - stored != 0;
    if constexpr (has_min) report.overflowed_scales |= half_at(block + 2) - half_at(block + 2) != 0;
    report.zero_groups = e.amax() == 0;
    report.flushed_groups = e.amax() != 0 && stored == 0 && !has_min;
    const float inverse = scale == 0 ? 0.0f : 1.0f / scale;
    if (inverse - inverse !=
        0) {  // a subnormal scale: its reciprocal is no number; the block is flushed
      std::memset(codes, kind == GgufBlock::q4_0 ? 0x88 : 0,
                  static_cast<size_t>(block_bytes - header_bytes));
      return report;
    }
    if constexpr (bits == 8) {
      for (int i = 0; i < size; ++i) {
        // Ties away from zero, as in the home engine (roundf), written without libm.
        const float steps = x[i] * inverse, magnitude = std::fabs(steps);
        const float whole = static_cast<float>(static_cast<int>(magnitude));
        const float rounded = whole + (magnitude - whole >= 0.5f ? 1.0f : 0.0f);
        codes[i] = static_cast<uint8_t>(static_cast<int8_t>(steps < 0 ? -rounded : rounded));
      }
    } else {
      int nibbles[size];
      for (int i = 0; i < size; ++i) {
        int code;
        if constexpr (kind == GgufBlock::q4_0) {
          code = static_cast<int>(x[i] * inverse + 8.5f);  // two roundings
        } else {
          code = static_cast<int>((x[i] - low) * inverse + 0.5f);
        }
        nibbles[i] = code > 15 ? 15 : code;
      }
      for (int i = 0; i < 16; ++i)
        codes[i] = static_cast<uint8_t>(nibbles[i] | nibbles[i + 16] << 4);
    }
    return report;
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule) {
    EncodeReport report;
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride)
      for (int64_t k = tile.k0; k < tile.k1; k += size)
        report += encode_block(const_cast<uint8_t*>(block_at(q, n, k)), values + (k - tile.k0));
    return report;
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t k = tile.k0; k < tile.k1; k += size) {
        const uint8_t* block = block_at(q, n, k);
        uint8_t codes[size];
        codes_of_block(block, codes);
        const float scale = half_at(block), low = has_min ? half_at(block + 2) : 0.0f;
        float decoded[size];
        for (int i = 0; i < size; ++i) {
          if constexpr (has_min) {
            decoded[i] = scale * static_cast<float>(codes[i]) + low;
          } else {
            decoded[i] = scale * static_cast<float>(codes[i] - (1 << (bits - 1)));
          }
        }
        const int64_t count = tile.k1 - k < size ? tile.k1 - k : size;
        std::memcpy(values + (k - tile.k0), decoded, static_cast<size_t>(count) * sizeof(float));
      }
    }
  }

  static void codes_tile(const QuantizedTensor& q, Tile tile, uint8_t* codes, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, codes += stride) {
      for (int64_t k = tile.k0; k < tile.k1; k += size) {
        uint8_t block[size];
        codes_of_block(block_at(q, n, k), block);
        std::memcpy(codes + (k - tile.k0), block,
                    static_cast<size_t>(tile.k1 - k < size ? tile.k1 - k : size));
      }
    }
  }

  static void group_parameters(const QuantizedTensor& q, int64_t n0, int64_t n1, int64_t g,
                               float* scales, int32_t* zeros) {
    for (int64_t n = n0; n < n1; ++n) {
      scales[n - n0] = half_at(block_at(q, n, g * size));
      zeros[n - n0] = 1 << (bits - 1);
    }
  }

  static Format format(int gguf_type) {
    static constexpr ScaleRule rules[] = {kind == GgufBlock::q4_0   ? ScaleRule::signed_
                                          : kind == GgufBlock::q4_1 ? ScaleRule::min_max
                                                                    : ScaleRule::narrow};
    Format f;
    f.layout = kind == GgufBlock::q4_0
                   ? "blocks [d: f16][16 bytes of codes]; low nibbles are elements 0..15"
               : kind == GgufBlock::q4_1
                   ? "blocks [d: f16][m: f16][16 bytes of codes]; low nibbles are elements 0..15"
                   : "blocks [d: f16][32 signed bytes]";
    f.value = kind == GgufBlock::q4_0   ? "d * (code - 8), code in 0..15"
              : kind == GgufBlock::q4_1 ? "d * code + m, code in 0..15"
                                        : "d * code, code in -127..127";
    f.source = "GGUF block types of ggml; the Python package gguf";
    f.block = size;
    f.scale_block = {1, size};
    f.scale_rules = rules;
    f.gguf_type = gguf_type;
    f.planes = planes;
    f.encode_tile = encode_tile;
    f.decode_tile = decode_tile;
    if constexpr (!has_min) {
      f.grid = IntegerGrid{bits, size, false};
      f.default_activations = Activations::int8_block32;
      f.codes_tile = codes_tile;
      f.group_parameters = group_parameters;
    }
    return f;
  }
};

}  // namespace farthing
