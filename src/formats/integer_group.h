// intB_gG, intB_row: B-bit integers with one scale for each group of G along k, and optional zero
// points.
//
// Layout: plane codes, u8 [n, ceil(k * B / 8)]: unsigned codes, LSB first along k (4 bits: even k
// in the low nibble; 3 bits: a code may cross into the next byte).
//         plane scales, f16 (or bf16, f32 as a checkpoint brings it) [n, groups]; the last group
//         may be shorter. plane zeros (_asym only), u8 [n, ceil(groups * B / 8)]: unsigned B-bit
//         zeros, LSB first along the groups.
// Value:  scale * (code - zero), one rounding to f32; without zeros, zero = 2^(B-1).
// Rules:  the scale is rounded to its stored type first, codes are rn(w / scale) + zero, clamped. A
// group of zeros has
//         scale 1; so has a group whose scale would round to 0 (it is flushed to zeros and
//         counted).
// Source: the affine grid of Jacob et al. 2018 (arXiv 1712.05877); groups as in GPTQ (arXiv
// 2210.17323).
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "formats/format.h"
#include "formats/scale_plane.h"

namespace farthing {

// `bits`-wide fields, LSB first; a field may cross into the next byte.
template <int bits>
struct PackedCodes {
  static constexpr int64_t bytes(int64_t count) { return (count * bits + 7) / 8; }
  static int get(const uint8_t* row, int64_t i) {
    if constexpr (bits == 8) return row[i];
    if constexpr (bits == 4) return row[i >> 1] >> (4 * (i & 1)) & 15;
    const int64_t at = i * bits;
    const int shift = static_cast<int>(at & 7);
    int word = row[at >> 3];
    if (shift + bits > 8) word |= row[(at >> 3) + 1] << 8;
    return word >> shift & ((1 << bits) - 1);
  }
  static void set(uint8_t* row, int64_t i, int code) {
    if constexpr (bits == 8) {
      row[i] = static_cast<uint8_t>(code);
    } else if constexpr (bits == 4) {
      uint8_t& byte = row[i >> 1];
      byte = (i & 1) != 0 ? static_cast<uint8_t>((byte & 0x0f) | code << 4)
                          : static_cast<uint8_t>((byte & 0xf0) | code);
    } else {
      const int64_t at = i * bits;
      const int shift = static_cast<int>(at & 7), mask = (1 << bits) - 1;
      uint8_t* byte = row + (at >> 3);
      byte[0] = static_cast<uint8_t>((byte[0] & ~(mask << shift)) | code << shift);
      if (shift + bits > 8)
        byte[1] = static_cast<uint8_t>((byte[1] & ~(mask >> (8 - shift))) | code >> (8 - shift));
    }
  }
  static_assert(bits >= 2 && bits <= 8);
};

// What a format's name says beside bits and group.
enum class GridKind {
  plain,       // symmetric, codes from -2^(B-1)
  narrow,      // symmetric, codes from -(2^(B-1) - 1): "_narrow"
  asymmetric,  // with zero points: "_asym"
};

template <int bits, int64_t group, GridKind kind = GridKind::plain>
struct IntegerGroup {
  static constexpr bool zero_points = kind == GridKind::asymmetric;
  using Codes = PackedCodes<bits>;
  static constexpr IntegerGrid grid{bits, group, zero_points};
  static constexpr int highest = (1 << bits) - 1;
  enum { codes_plane, scales_plane, zeros_plane };

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType scale_dtype) {
    std::vector<PlaneSpec> out = {{"codes", DType::u8, {n, Codes::bytes(k)}},
                                  {"scales", scale_dtype, {n, grid.groups(k)}}};
    if (zero_points) out.push_back({"zeros", DType::u8, {n, Codes::bytes(grid.groups(k))}});
    return out;
  }

  static const uint8_t* row_of(const Tensor& plane, int64_t n) {
    return plane.as<uint8_t>() + n * plane.shape()[1];
  }
  static uint8_t* row_of(Tensor& plane, int64_t n) {
    return plane.as<uint8_t>() + n * plane.shape()[1];
  }

  static int zero_of(const QuantizedTensor& q, int64_t n, int64_t g) {
    if constexpr (!zero_points) return grid.middle();
    return Codes::get(row_of(q.planes[zeros_plane], n), g);
  }

  static EncodeReport encode_group(QuantizedTensor& q, int64_t n, int64_t g, int64_t begin,
                                   int64_t end, const float* values, ScaleRule rule) {
    EncodeReport report;
    const Extremes extremes = extremes_of(values, end - begin);
    if (!extremes.finite) {
      report.nonfinite = 1;
      return report;
    }
    uint8_t* codes = row_of(q.planes[codes_plane], n);
    const int64_t at = n * grid.groups(q.k) + g;
    float scale = store_scale(q.planes[scales_plane], at, unrounded_scale(rule, bits, extremes));
    if (scale - scale != 0) {
      report.overflowed_scales = 1;
      return report;
    }
    int zero = grid.middle();
    const bool empty = scale == 0;
    if (empty) {
      (extremes.amax() == 0 ? report.zero_groups : report.flushed_groups) = 1;
      scale = store_scale(q.planes[scales_plane], at, 1.0f);
      if (zero_points) zero = 0;
    } else if (zero_points) {
      const float position = round_even(-extremes.low / scale);
      zero = static_cast<int>(position > highest ? highest : position);
    }
    if (zero_points) Codes::set(row_of(q.planes[zeros_plane], n), g, zero);
    encode_codes(codes, begin, end, values, rule, empty ? INFINITY : scale, zero, report);
    return report;
  }

  // Codes of a group whose scale is stored; an infinite one makes them all zero.
  static void encode_codes(uint8_t* codes, int64_t begin, int64_t end, const float* values,
                           ScaleRule rule, float scale, int zero, EncodeReport& report) {
    const float lowest_step = static_cast<float>((rule == ScaleRule::narrow ? 1 : 0) - zero);
    const float highest_step = static_cast<float>(highest - zero);
    for (int64_t i = begin; i < end; ++i) {
      const float steps = values[i - begin] / scale;
      const float inside = steps < lowest_step    ? lowest_step
                           : steps > highest_step ? highest_step
                                                  : steps;
      report.clipped += steps - inside >= 1.0f || inside - steps >= 1.0f;
      Codes::set(codes, i, static_cast<int>(round_even(inside)) + zero);
    }
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule) {
    EncodeReport report;
    const int64_t size = grid.group_size(q.k);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t begin = tile.k0; begin < tile.k1; begin += size) {
        const int64_t end = begin + size < tile.k1 ? begin + size : tile.k1;
        report += encode_group(q, n, begin / size, begin, end, values + (begin - tile.k0), rule);
      }
    }
    return report;
  }

  static EncodeReport encode_with_scales(QuantizedTensor& q, Tile tile, const float* values,
                                         int64_t stride, ScaleRule rule, const float* scales,
                                         int64_t scale_stride) {
    EncodeReport report;
    const int64_t size = grid.group_size(q.k);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride, scales += scale_stride) {
      for (int64_t begin = tile.k0; begin < tile.k1; begin += size) {
        const int64_t end = begin + size < tile.k1 ? begin + size : tile.k1, g = begin / size;
        const float* of_group = values + (begin - tile.k0);
        const float scale = store_scale(q.planes[scales_plane], n * grid.groups(q.k) + g,
                                        scales[g - tile.k0 / size]);
        if (!extremes_of(of_group, end - begin).finite) {
          report.nonfinite += 1;
        } else if (!(scale > 0) || scale - scale != 0) {
          report.overflowed_scales += 1;
        } else {
          encode_codes(row_of(q.planes[codes_plane], n), begin, end, of_group, rule, scale,
                       grid.middle(), report);
        }
      }
    }
    return report;
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    const int64_t size = grid.group_size(q.k);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      const uint8_t* codes = row_of(q.planes[codes_plane], n);
      for (int64_t k = tile.k0; k < tile.k1;) {
        const int64_t g = k / size, end = (g + 1) * size < tile.k1 ? (g + 1) * size : tile.k1;
        const float scale = load_scale(q.planes[scales_plane], n * grid.groups(q.k) + g);
        const int zero = zero_of(q, n, g);
        for (; k < end; ++k)
          values[k - tile.k0] = scale * static_cast<float>(Codes::get(codes, k) - zero);
      }
    }
  }

  static void codes_tile(const QuantizedTensor& q, Tile tile, uint8_t* codes, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, codes += stride) {
      const uint8_t* row = row_of(q.planes[codes_plane], n);
      for (int64_t k = tile.k0; k < tile.k1; ++k)
        codes[k - tile.k0] = static_cast<uint8_t>(Codes::get(row, k));
    }
  }

  static void group_parameters(const QuantizedTensor& q, int64_t n0, int64_t n1, int64_t g,
                               float* scales, int32_t* zeros) {
    for (int64_t n = n0; n < n1; ++n) {
      scales[n - n0] = load_scale(q.planes[scales_plane], n * grid.groups(q.k) + g);
      zeros[n - n0] = zero_of(q, n, g);
    }
  }

  static Format format() {
    static constexpr ScaleRule symmetric[] = {ScaleRule::half_step, ScaleRule::wide,
                                              ScaleRule::narrow};
    static constexpr ScaleRule narrow[] = {ScaleRule::narrow};
    static constexpr ScaleRule asymmetric[] = {ScaleRule::min_max};
    static const std::string value =
        zero_points
            ? fmt::format("scale * (code - zero), code and zero in 0..{}", highest)
            : fmt::format("scale * code, code in {}..{}",
                          (kind == GridKind::narrow ? 1 : 0) - grid.middle(), grid.middle() - 1);
    Format f;
    f.layout = zero_points
                   ? "codes, scales and zero points in planes of their own; codes LSB first along k"
                   : "codes and scales in planes of their own; codes LSB first along k";
    f.value = value;
    f.source = "affine grid of arXiv 1712.05877, groups along k as in GPTQ (arXiv 2210.17323)";
    f.grid = grid;
    f.scale_block = {1, group};
    if (zero_points) {
      f.scale_rules = asymmetric;
    } else if (kind == GridKind::narrow) {
      f.scale_rules = narrow;
    } else {
      f.scale_rules = symmetric;
    }
    f.planes = planes;
    f.encode_tile = encode_tile;
    if (!zero_points) f.encode_with_scales = encode_with_scales;
    f.decode_tile = decode_tile;
    f.codes_tile = codes_tile;
    f.group_parameters = group_parameters;
    return f;
  }
};

}  // namespace farthing
