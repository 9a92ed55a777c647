// intB_tensor, intB_row, intB_gG: B-bit integers with one scale for a tensor, a row, or each group
// of G along k, and optional zero points.
//
// Layout: plane codes, u8 [n, ceil(k * B / 8)]: unsigned codes, LSB first along k (4 bits: even k
//         in the low nibble; 3 bits: a code may cross into the next byte).
//         plane scales, f16 (or bf16, f32 as a checkpoint brings it) [n, groups], or [1, 1]; the
//         last group may be shorter.
//         plane zeros (_asym only), u8 [n, ceil(groups * B / 8)]: unsigned B-bit zeros, LSB first
//         along the groups.
// Value:  scale * (code - zero), one rounding to f32; without zeros, zero = 2^(B-1).
//         plain:   scale > 0, codes from -2^(B-1), by default amax / (2^(B-1) - 1/2)
//         _narrow: scale > 0, codes from -(2^(B-1) - 1), amax / (2^(B-1) - 1)
//         _signed: the scale has the sign that makes the extreme weight the code -2^(B-1)
//         _asym:   scale > 0, with zeros
// Rules:  the scale is rounded to its stored type first, codes are rn(w / scale) + zero, clamped.
//         A group of zeros has scale 1; so has a group whose scale would round to 0 (it is flushed
//         to zeros and counted).
// Source: the affine grid of Jacob et al. 2018 (arXiv 1712.05877); groups as in GPTQ (arXiv
//         2210.17323); the signed scale is that of GGUF's Q4_0.
#pragma once

#include <fmt/format.h>

#include <cmath>

#include "formats/format.h"
#include "formats/group_search.h"
#include "formats/packed_codes.h"
#include "formats/scale_plane.h"
#include "formats/tensor_amax.h"

namespace farthing {

// What a format's name says beside bits and group.
enum class GridKind {
  plain,       // symmetric, codes from -2^(B-1)
  narrow,      // symmetric, codes from -(2^(B-1) - 1): "_narrow"
  signed_,     // symmetric, the scale may be negative: "_signed"
  asymmetric,  // with zero points: "_asym"
};

// What does not depend on groups and kind, which are read from the format.
template <int bits>
struct IntegerCodes {
  using Codes = PackedCodes<bits>;
  static constexpr int highest = (1 << bits) - 1;
  static constexpr int middle = 1 << (bits - 1);
  static constexpr int64_t chunk = 64;  // codes that pass through one byte each
  enum { codes_plane, scales_plane, zeros_plane };

  static const uint8_t* row_of(const Tensor& plane, int64_t n) {
    return plane.as<uint8_t>() + n * plane.shape()[1];
  }
  static uint8_t* row_of(Tensor& plane, int64_t n) {
    return plane.as<uint8_t>() + n * plane.shape()[1];
  }
  static bool has_zeros(const QuantizedTensor& q) { return q.format->grid->zero_points; }
  static bool of_tensor(const QuantizedTensor& q) { return q.format->scale_block.rows == 0; }
  static int64_t scale_at(const QuantizedTensor& q, int64_t n, int64_t g) {
    return of_tensor(q) ? 0 : n * q.format->grid->groups(q.k) + g;
  }
  static int zero_of(const QuantizedTensor& q, int64_t n, int64_t g) {
    return has_zeros(q) ? Codes::get(row_of(q.planes[zeros_plane], n), g) : middle;
  }

  // Stores a chosen scale; 0 where it overflowed, infinity (which makes all codes zero) where there
  // is nothing but zeros.
  static float put_scale(QuantizedTensor& q, int64_t at, float unrounded, float amax,
                         EncodeReport& report) {
    const float scale = store_scale(q.planes[scales_plane], at, unrounded);
    if (scale - scale != 0) {
      report.overflowed_scales += 1;
      return 0;
    }
    if (scale != 0) return scale;
    (amax == 0 ? report.zero_groups : report.flushed_groups) += 1;
    store_scale(q.planes[scales_plane], at, 1.0f);
    return INFINITY;
  }

  // `whole`: the group's size where the compiler may know it, else 0.
  template <int64_t whole = 0>
  static void encode_group(QuantizedTensor& q, int64_t n, int64_t g, int64_t begin, int64_t end,
                           const float* values, ScaleRule rule, EncodeReport& report) {
    if constexpr (whole != 0) end = begin + whole;
    const Extremes extremes = extremes_of(values, end - begin);
    if (!extremes.finite) {
      report.nonfinite += 1;
      return;
    }
    float scale;
    if (of_tensor(q)) {
      scale = load_scale(q.planes[scales_plane], 0);  // by prepare
      if (scale - scale != 0) return;
    } else {
      scale = put_scale(q, scale_at(q, n, g), unrounded_scale(rule, bits, extremes),
                        extremes.amax(), report);
      if (scale == 0) return;
    }
    int zero = middle;
    if (has_zeros(q)) {
      const float position = round_even(-extremes.low / scale);
      zero = static_cast<int>(position > highest ? highest : position);
      Codes::set(row_of(q.planes[zeros_plane], n), g, zero);
    }
    encode_codes<whole>(row_of(q.planes[codes_plane], n), begin, end, values, rule, scale, zero,
                        report);
  }

  // Codes of a group whose scale is stored; an infinite one makes them all zero.
  template <int64_t whole = 0>
  static void encode_codes(uint8_t* row, int64_t begin, int64_t end, const float* values,
                           ScaleRule rule, float scale, int zero, EncodeReport& report) {
    const float lowest_step = static_cast<float>((rule == ScaleRule::narrow ? 1 : 0) - zero);
    const float highest_step = static_cast<float>(highest - zero);
    if constexpr (whole != 0) end = begin + whole;
    uint8_t codes[chunk];
    for (int64_t at = begin; at < end; at += chunk, values += chunk) {
      const int count = static_cast<int>(end - at < chunk ? end - at : chunk);
      int clipped = 0;
      for (int i = 0; i < count; ++i) {
        const float steps = values[i] / scale;
        const float low = steps < lowest_step ? lowest_step : steps;
        const float inside = low > highest_step ? highest_step : low;
        clipped += std::fabs(steps - inside) >= 1.0f ? 1 : 0;
        codes[i] = static_cast<uint8_t>(static_cast<int>(round_even(inside)) + zero);
      }
      report.clipped += clipped;
      Codes::pack(row, at, codes, count);
    }
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule) {
    EncodeReport report;
    const int64_t size = q.format->grid->group_size(q.k);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t begin = tile.k0; begin < tile.k1; begin += size) {
        const int64_t end = begin + size < tile.k1 ? begin + size : tile.k1;
        const float* of_group = values + (begin - tile.k0);
        if (end - begin == 16) {
          encode_group<16>(q, n, begin / size, begin, end, of_group, rule, report);
        } else {
          encode_group(q, n, begin / size, begin, end, of_group, rule, report);
        }
      }
    }
    return report;
  }

  // A group whose scale, and zero, are searched: of codes from `low` steps to `high`.
  template <class Stored>
  static ScaleSearch<NearestWhole> search_steps(const float* values, const float* importance,
                                                int64_t count, int low, int high, float start,
                                                bool both_signs, const Stored& stored) {
    ScaleSearch search(values, importance, count,
                       NearestWhole{static_cast<float>(low), static_cast<float>(high)});
    constexpr RangeFactors factors = range_factors(bits);
    for (int i = 0; i < factors.count; ++i) {
      search.consider(start * factors[i], stored);
      if (both_signs) search.consider(-start * factors[i], stored);
    }
    return search;
  }

  static void search_group(QuantizedTensor& q, int64_t n, int64_t g, int64_t begin, int64_t end,
                           const float* values, ScaleRule rule, const float* importance,
                           EncodeReport& report) {
    const Extremes extremes = extremes_of(values, end - begin);
    const float start = unrounded_scale(rule, bits, extremes);
    Tensor& scales = q.planes[scales_plane];
    const int64_t at = scale_at(q, n, g);
    // What the rule alone does: it says whether the group is empty, flushed or beyond its type.
    if (!extremes.finite || extremes.amax() == 0 || !is_finite(store_scale(scales, at, start)) ||
        load_scale(scales, at) == 0)
      return encode_group(q, n, g, begin, end, values, rule, report);
    const auto stored = [&](float scale) { return store_scale(scales, at, scale); };
    float best = stored(start), least = INFINITY;
    int zero = middle;
    const auto keep = [&](const ScaleSearch<NearestWhole>& search, int of_zero) {
      if (!(search.error() < least)) return;
      least = search.error();
      best = search.best();
      zero = of_zero;
    };
    if (has_zeros(q)) {
      const float position = round_even(-extremes.low / start);
      const int near = static_cast<int>(position > highest ? highest : position);
      for (int z = near - 1; z <= near + 1; ++z)
        if (z >= 0 && z <= highest)
          keep(search_steps(values, importance, end - begin, -z, highest - z, start, false, stored),
               z);
      Codes::set(row_of(q.planes[zeros_plane], n), g, zero);
    } else {
      const int low = (rule == ScaleRule::narrow ? 1 : 0) - middle;
      keep(search_steps(values, importance, end - begin, low, highest - middle, start,
                        rule == ScaleRule::signed_, stored),
           middle);
    }
    encode_codes(row_of(q.planes[codes_plane], n), begin, end, values, rule, stored(best), zero,
                 report);
  }

  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule, const float* importance) {
    EncodeReport report;
    const int64_t size = q.format->grid->group_size(q.k);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t begin = tile.k0; begin < tile.k1; begin += size) {
        const int64_t end = begin + size < tile.k1 ? begin + size : tile.k1, at = begin - tile.k0;
        search_group(q, n, begin / size, begin, end, values + at, rule, importance + at, report);
      }
    }
    return report;
  }

  static void put_codes(QuantizedTensor& q, int64_t n0, int64_t n1, const uint8_t* codes,
                        int64_t stride) {
    for (int64_t n = n0; n < n1; ++n, codes += stride)
      Codes::pack(row_of(q.planes[codes_plane], n), 0, codes, q.k);
  }

  // The one scale of a tensor.
  static EncodeReport prepare(QuantizedTensor& q, ThreadPool& pool, const float* values,
                              int64_t stride, ScaleRule rule) {
    EncodeReport report;
    const float amax = finite_amax(pool, values, q.n, q.k, stride);
    put_scale(q, 0, unrounded_scale(rule, bits, {-amax, amax, true}), amax, report);
    return report;
  }

  static EncodeReport encode_with_scales(QuantizedTensor& q, Tile tile, const float* values,
                                         int64_t stride, ScaleRule rule, const float* scales,
                                         int64_t scale_stride) {
    EncodeReport report;
    const int64_t size = q.format->grid->group_size(q.k);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride, scales += scale_stride) {
      for (int64_t begin = tile.k0; begin < tile.k1; begin += size) {
        const int64_t end = begin + size < tile.k1 ? begin + size : tile.k1, g = begin / size;
        const float* of_group = values + (begin - tile.k0);
        const float scale =
            store_scale(q.planes[scales_plane], scale_at(q, n, g), scales[g - tile.k0 / size]);
        if (!extremes_of(of_group, end - begin).finite) {
          report.nonfinite += 1;
        } else if (!(scale > 0) || scale - scale != 0) {
          report.overflowed_scales += 1;
        } else {
          encode_codes(row_of(q.planes[codes_plane], n), begin, end, of_group, rule, scale, middle,
                       report);
        }
      }
    }
    return report;
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    const int64_t size = q.format->grid->group_size(q.k);
    uint8_t codes[chunk];
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      const uint8_t* row = row_of(q.planes[codes_plane], n);
      for (int64_t k = tile.k0; k < tile.k1;) {
        const int64_t g = k / size, end = (g + 1) * size < tile.k1 ? (g + 1) * size : tile.k1;
        const float scale = load_scale(q.planes[scales_plane], scale_at(q, n, g));
        const int zero = zero_of(q, n, g);
        for (; k < end; k += chunk) {
          const int count = static_cast<int>(end - k < chunk ? end - k : chunk);
          Codes::unpack(row, k, count, codes);
          float* to = values + (k - tile.k0);
          for (int i = 0; i < count; ++i) to[i] = scale * static_cast<float>(codes[i] - zero);
        }
        k = end;
      }
    }
  }

  // For groups of less than 32, which the integer kernels do not take.
  static Elements elements(int64_t group, bool zero_points) {
    static_assert(bits <= 4 || bits == 8);
    Elements e{.kind = ElementKind::book, .bits = bits == 2 ? 2 : 4};
    e.book = whole_book(zero_points ? 0 : middle);
    e.levels = highest + 1;
    if (zero_points) e.second = SecondTerm::zero;
    e.group = group;
    e.codes = codes_tile;
    e.scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
      const int64_t g = k / q.format->grid->group;
      return ElementScale{load_scale(q.planes[scales_plane], scale_at(q, n, g)),
                          static_cast<float>(zero_of(q, n, g))};
    };
    return e;
  }

  static void codes_tile(const QuantizedTensor& q, Tile tile, uint8_t* codes, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, codes += stride)
      Codes::unpack(row_of(q.planes[codes_plane], n), tile.k0, tile.k1 - tile.k0, codes);
  }

  static void group_parameters(const QuantizedTensor& q, int64_t n0, int64_t n1, int64_t g,
                               float* scales, int32_t* zeros) {
    for (int64_t n = n0; n < n1; ++n) {
      scales[n - n0] = load_scale(q.planes[scales_plane], scale_at(q, n, g));
      zeros[n - n0] = zero_of(q, n, g);
    }
  }
};

// `group` weights along k share a scale (0: a row); `rows` 0: the whole tensor does.
template <int bits, int64_t group, GridKind kind = GridKind::plain, int64_t rows = 1>
struct IntegerGroup : IntegerCodes<bits> {
  using Base = IntegerCodes<bits>;
  static constexpr bool zero_points = kind == GridKind::asymmetric;
  static constexpr IntegerGrid grid{bits, group, zero_points};
  static_assert(group % 8 == 0 &&
                (rows == 1 || (rows == 0 && group == 0 && kind == GridKind::plain)));

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType scale_dtype) {
    using Codes = PackedCodes<bits>;
    const int64_t groups = grid.groups(k);
    std::vector<PlaneSpec> out = {{"codes", DType::u8, {n, Codes::bytes(k)}},
                                  {"scales", scale_dtype, {rows == 0 ? 1 : n, groups}}};
    if (zero_points) out.push_back({"zeros", DType::u8, {n, Codes::bytes(groups)}});
    return out;
  }

  static Format format() {
    static constexpr ScaleRule symmetric[] = {ScaleRule::half_step, ScaleRule::wide,
                                              ScaleRule::narrow};
    static constexpr ScaleRule narrow[] = {ScaleRule::narrow};
    static constexpr ScaleRule signs[] = {ScaleRule::signed_};
    static constexpr ScaleRule asymmetric[] = {ScaleRule::min_max};
    static const std::string value =
        zero_points
            ? fmt::format("scale * (code - zero), code and zero in 0..{}", Base::highest)
            : fmt::format("scale * code, code in {}..{}{}",
                          (kind == GridKind::narrow ? 1 : 0) - Base::middle, Base::middle - 1,
                          kind == GridKind::signed_ ? ", scale of either sign" : "");
    Format f;
    f.layout = zero_points
                   ? "codes, scales and zero points in planes of their own; codes LSB first along k"
                   : "codes and scales in planes of their own; codes LSB first along k";
    f.value = value;
    f.source = "affine grid of arXiv 1712.05877, groups along k as in GPTQ (arXiv 2210.17323)";
    f.grid = grid;
    if constexpr (group == 16) f.elements = Base::elements(group, zero_points);
    f.scale_block = {rows, group};
    switch (kind) {
      case GridKind::plain:
        f.scale_rules = symmetric;
        break;
      case GridKind::narrow:
        f.scale_rules = narrow;
        break;
      case GridKind::signed_:
        f.scale_rules = signs;
        f.source = "affine grid of arXiv 1712.05877, the signed scale of GGUF's Q4_0";
        break;
      case GridKind::asymmetric:
        f.scale_rules = asymmetric;
        break;
    }
    f.planes = planes;
    f.encode_tile = Base::encode_tile;
    if (rows == 1) f.search_tile = Base::search_tile;
    f.put_codes = Base::put_codes;
    if (rows == 0) f.prepare = Base::prepare;
    // given scales are positive, and one for each row and group
    if (rows == 1 && (kind == GridKind::plain || kind == GridKind::narrow))
      f.encode_with_scales = Base::encode_with_scales;
    f.decode_tile = Base::decode_tile;
    f.codes_tile = Base::codes_tile;
    f.group_parameters = Base::group_parameters;
    return f;
  }
};

}  // namespace farthing
