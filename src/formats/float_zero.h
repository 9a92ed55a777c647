// intB_gG_float_zero: B-bit integers under a scale and a zero that is no whole number, for each
// group of G along k.
//
// Layout: plane codes, u8 [n, ceil(k * B / 8)]: unsigned codes, LSB first along k.
//         planes scales and zeros, f16 (or bf16, f32 as a checkpoint brings it) [n, groups]; the
//         last group may be shorter.
// Value:  scale * (code - zero), each operation rounded to f32; the scale is positive.
// Rules:  min_max: scale = (hi - lo) / (2^B - 1), zero = -lo / scale, 0 being within lo..hi. Both
//         are rounded to their stored type first, codes are rn(w / scale + zero), clamped. A group
//         of zeros has scale 1 and zero 0; so has a group whose scale would round to 0.
// Source: the float zeros of HQQ (github.com/mobiusml/hqq) and SpQR (arXiv 2306.03078).
#pragma once

#include "formats/integer_group.h"

namespace farthing {

template <int bits>
struct FloatZeroCodes : IntegerCodes<bits> {
  using Base = IntegerCodes<bits>;
  using Base::codes_plane, Base::highest, Base::scales_plane, Base::zeros_plane;

  static int64_t groups(const QuantizedTensor& q) { return q.planes[scales_plane].shape()[1]; }
  static int64_t group_of(const QuantizedTensor& q) { return q.format->scale_block.columns; }

  struct Range {
    float scale, zero;
    int code(float x) const {
      const float steps = x / scale + zero;
      const float low = steps < 0 ? 0 : steps;
      return static_cast<int>(round_even(low > highest ? static_cast<float>(highest) : low));
    }
    float value(int code) const { return scale * (static_cast<float>(code) - zero); }
    bool usable() const { return scale > 0 && is_finite(scale) && is_finite(zero); }
  };
  // What the planes make of a scale and a zero.
  static Range store(QuantizedTensor& q, int64_t at, float scale, float zero) {
    return {store_scale(q.planes[scales_plane], at, scale),
            store_scale(q.planes[zeros_plane], at, zero)};
  }

  struct Group {
    QuantizedTensor& q;
    int64_t n, at, begin, count;  // `at`: of its scale
    const float* values;

    void put_codes(const Range& range, EncodeReport& report) const {
      uint8_t codes[Base::chunk];
      for (int64_t done = 0; done < count; done += Base::chunk) {
        const int64_t some = count - done < Base::chunk ? count - done : Base::chunk;
        for (int64_t i = 0; i < some; ++i) {
          const float x = values[done + i];
          const float steps = x / range.scale + range.zero;
          report.clipped += steps <= -1 || steps >= highest + 1;
          codes[i] = static_cast<uint8_t>(range.code(x));
        }
        Base::Codes::pack(Base::row_of(q.planes[codes_plane], n), begin + done, codes, some);
      }
    }
  };

  // each(group, column of the tile, group of the tile)
  template <class Each>
  static void each_group(QuantizedTensor& q, Tile tile, const float* values, int64_t stride,
                         const Each& each) {
    const int64_t size = group_of(q);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t begin = tile.k0; begin < tile.k1; begin += size) {
        const int64_t end = begin + size < tile.k1 ? begin + size : tile.k1, at = begin - tile.k0;
        each(Group{q, n, n * groups(q) + begin / size, begin, end - begin, values + at}, at,
             at / size);
      }
    }
  }

  // By the rule, or, with `importance` of the group's columns, searched.
  static void encode_group(const Group& group, const float* importance, EncodeReport& report) {
    const Extremes e = extremes_of(group.values, group.count);
    if (!e.finite) {
      report.nonfinite += 1;
      return;
    }
    const float scale = store_scale(group.q.planes[scales_plane], group.at,
                                    unrounded_scale(ScaleRule::min_max, bits, e));
    if (!is_finite(scale)) {
      report.overflowed_scales += 1;
    } else if (scale == 0) {
      (e.amax() == 0 ? report.zero_groups : report.flushed_groups) += 1;
      group.put_codes(store(group.q, group.at, 1, 0), report);  // all 0
    } else {
      Range range = store(group.q, group.at, scale, -e.low / scale);
      if (importance != nullptr) range = searched(group, range, importance);
      group.put_codes(range, report);
    }
  }

  // From ranges that are cut by some factors, two fits of scale and zero to the codes by least
  // squares each; the best of them as they would be stored.
  static Range searched(const Group& group, Range start, const float* importance) {
    Range best = start;
    float least = error_of(group, best, importance);
    const auto stored = [&](float scale, float zero) {
      const Range range = store(group.q, group.at, scale, zero);
      if (!range.usable()) return range;
      const float error = error_of(group, range, importance);
      if (error < least) least = error, best = range;
      return range;
    };
    constexpr RangeFactors factors = range_factors(bits);
    const float middle = 0.5f * static_cast<float>(highest);
    for (int i = 0; i < factors.count; i += 2) {
      // about the middle of the codes, so that both ends move in
      Range range =
          stored(start.scale * factors[i], middle + (start.zero - middle) * (1.0f / factors[i]));
      for (int fit = 0; fit < 2 && range.usable(); ++fit) {
        float scale, zero;
        if (!fitted(group, range, importance, scale, zero)) break;
        range = stored(scale, zero);
      }
    }
    return store(group.q, group.at, best.scale, best.zero);
  }
  static float error_of(const Group& group, const Range& range, const float* importance) {
    GroupLanes error;
    each_lane(group.count, [&](int64_t i, int j) {
      const float miss = group.values[i] - range.value(range.code(group.values[i]));
      error.lane[j] += importance[i] * miss * miss;
    });
    return error.sum();
  }
  // scale and zero with the least sum importance (x - scale * (code - zero))^2 for the codes of
  // `range`; false where they do not settle it.
  static bool fitted(const Group& group, const Range& range, const float* importance, float& scale,
                     float& zero) {
    GroupLanes w, c, x, cc, cx;
    each_lane(group.count, [&](int64_t i, int j) {
      const float code = static_cast<float>(range.code(group.values[i])), v = group.values[i];
      const float weighted = importance[i] * code;
      w.lane[j] += importance[i];
      c.lane[j] += weighted;
      x.lane[j] += importance[i] * v;
      cc.lane[j] += weighted * code;
      cx.lane[j] += weighted * v;
    });
    const float sum = w.sum(), codes = c.sum(), values = x.sum();
    const float spread = sum * cc.sum() - codes * codes;
    if (!(spread > 0)) return false;
    scale = (sum * cx.sum() - codes * values) / spread;
    zero = (codes - values / scale) / sum;
    return scale > 0 && is_finite(zero);
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule) {
    EncodeReport report;
    each_group(q, tile, values, stride,
               [&](const Group& group, int64_t, int64_t) { encode_group(group, nullptr, report); });
    return report;
  }
  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule, const float* importance) {
    EncodeReport report;
    each_group(q, tile, values, stride, [&](const Group& group, int64_t column, int64_t) {
      encode_group(group, importance + column, report);
    });
    return report;
  }
  static EncodeReport encode_with_zeros(QuantizedTensor& q, Tile tile, const float* values,
                                        int64_t stride, const float* scales, const float* zeros,
                                        int64_t scale_stride) {
    EncodeReport report;
    each_group(q, tile, values, stride, [&](const Group& group, int64_t, int64_t g) {
      const int64_t at = (group.n - tile.n0) * scale_stride + g;
      const Range range = store(q, group.at, scales[at], zeros[at]);
      if (!extremes_of(group.values, group.count).finite) {
        report.nonfinite += 1;
      } else if (!range.usable()) {
        encode_group(group, nullptr, report);
      } else {
        group.put_codes(range, report);
      }
    });
    return report;
  }

  static Range range_at(const QuantizedTensor& q, int64_t n, int64_t g) {
    const int64_t at = n * groups(q) + g;
    return {load_scale(q.planes[scales_plane], at), load_scale(q.planes[zeros_plane], at)};
  }
  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    const int64_t size = group_of(q);
    uint8_t codes[Base::chunk];
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t k = tile.k0; k < tile.k1; k += 32) {
        const int64_t count = tile.k1 - k < 32 ? tile.k1 - k : 32;
        Base::Codes::unpack(Base::row_of(q.planes[codes_plane], n), k, count, codes);
        const Range range = range_at(q, n, k / size);
        for (int64_t i = 0; i < count; ++i) values[k - tile.k0 + i] = range.value(codes[i]);
      }
    }
  }

  static Elements elements(int64_t group) {
    Elements e{.kind = ElementKind::book,
               .bits = bits == 2 ? 2 : 4,
               .second = SecondTerm::zero,
               .book = whole_book(0),
               .levels = highest + 1,
               .group = group};
    e.codes = Base::codes_tile;
    e.scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
      const Range range = range_at(q, n, k / group_of(q));
      return ElementScale{range.scale, range.zero};
    };
    return e;
  }
};

// `group` weights along k share a scale and a zero.
template <int bits, int64_t group>
struct FloatZero : FloatZeroCodes<bits> {
  using Base = FloatZeroCodes<bits>;
  static_assert(bits <= 4 && group % 32 == 0);

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType scale_dtype) {
    const int64_t groups = (k + group - 1) / group;
    return {{"codes", DType::u8, {n, PackedCodes<bits>::bytes(k)}},
            {"scales", scale_dtype, {n, groups}},
            {"zeros", scale_dtype, {n, groups}}};
  }
  static Format format() {
    static constexpr ScaleRule rules[] = {ScaleRule::min_max};
    static const std::string value =
        fmt::format("scale * (code - zero), code in 0..{}, zero any number", Base::highest);
    Format f;
    f.layout = "codes, scales and zeros in planes of their own; codes LSB first along k";
    f.value = value;
    f.source = "float zeros of HQQ (github.com/mobiusml/hqq) and SpQR (arXiv 2306.03078)";
    f.elements = Base::elements(group);
    f.scale_rules = rules;
    f.scale_block = {1, group};
    f.planes = planes;
    f.encode_tile = Base::encode_tile;
    f.encode_with_zeros = Base::encode_with_zeros;
    f.search_tile = Base::search_tile;
    f.put_codes = Base::put_codes;
    f.decode_tile = Base::decode_tile;
    return f;
  }
};

}  // namespace farthing
