// spqrB_g16: B-bit integers under a scale and a zero for each 16 inputs, both of which are 3-bit
// codes that 16 outputs share a scale of, and outliers as f16.
//
// Layout: plane codes, u8 [n, ceil(k * B / 8)]: unsigned codes, LSB first along k.
//         planes scale_codes and zero_codes, u8 [n, ceil(groups * 3 / 8)]: 3-bit codes, LSB first
//         along the groups of 16 inputs; the last group may be shorter.
//         plane second_level, f16 [ceil(n / 16), groups * 4]: of 16 rows and a group, scale and
//         zero of the scales, then scale and zero of the zeros. planes outlier_rows,
//         outlier_columns, outlier_values (outliers.h).
// Value:  an outlier's half; of all others scale * (code - zero), each operation rounded to f32,
//         where scale and zero are f16(f32(second scale * f32(code3 - second zero))).
// Rules:  outliers by a threshold (find_outliers); of what is left in a group min_max, 0 being
//         within. Second level: from the least to the largest of the 16 rows' scales (zeros),
//         rounded to f16 first; where they are all alike, or too near for a half, code 0 with zero
//         -1 stands for their middle. Rows of nothing but zeros have no say. Codes are rn(w / scale
//         + zero) with the decoded scale and zero; an outlier has the code of 0.
// Bits:   B + 6 / 16 + 64 / 256 a weight, 32 bits a row, and 32 bits an outlier (48 where k >
// 65536). Source: SpQR, arXiv 2306.03078 (github.com/Vahe1994/SpQR). Where we differ: the threshold
// is
//         relative to the columns' mean squares, not to their variances, so that one row has one
//         too; groups keep their places whatever the order in which columns are rounded.
#pragma once

#include "formats/float_zero.h"
#include "formats/outliers.h"
#include "formats/two_level.h"

namespace farthing {

template <int bits>
struct Spqr : FloatZeroCodes<bits> {
  using Base = FloatZeroCodes<bits>;
  using Base::codes_plane, Base::highest, Base::row_of;
  using typename Base::Group;
  using typename Base::Range;
  using Codes3 = PackedCodes<3>;
  enum { scale_codes_plane = 1, zero_codes_plane, second_plane, first_outliers };
  static constexpr int64_t group = 16, rows = TwoLevelStatistics::rows;

  static int64_t groups(int64_t k) { return (k + group - 1) / group; }

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    const int64_t code_bytes = Codes3::bytes(groups(k));
    std::vector<PlaneSpec> out = {
        {"codes", DType::u8, {n, PackedCodes<bits>::bytes(k)}},
        {"scale_codes", DType::u8, {n, code_bytes}},
        {"zero_codes", DType::u8, {n, code_bytes}},
        {"second_level", DType::f16, {(n + rows - 1) / rows, groups(k) * 4}}};
    for (const PlaneSpec& plane : outlier_planes(n, k)) out.push_back(plane);
    return out;
  }

  static Range range_of(const TwoLevelStatistics& statistics, int64_t i) {
    return {statistics.scale_of(i), statistics.zero_of(i)};
  }

  // Of a scale that rounded to 0 all is code 0.
  static int code_of(const Range& range, float x) { return range.scale > 0 ? range.code(x) : 0; }
  static float miss_of(const Range& range, float x) { return x - range.value(code_of(range, x)); }

  // The weights of a group of at most 16 rows, outliers as zeros.
  struct Block {
    int64_t n0, height, k0, width;
    float weights[rows][group];
    bool finite = true, empty = true;

    Block(int64_t first, int64_t count, int64_t column, int64_t columns, const float* values,
          int64_t stride)
        : n0(first), height(count), k0(column), width(columns) {
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j) weights[i][j] = values[i * stride + j];
    }
    Range by_rule(int64_t i) {
      const Extremes e = extremes_of(weights[i], width);
      finite = finite && e.finite;
      empty = empty && e.amax() == 0;
      const float scale = unrounded_scale(ScaleRule::min_max, bits, e);
      return {scale, scale == 0 ? 0 : -e.low / scale};
    }
    void ranges(Range* out) {
      for (int64_t i = 0; i < height; ++i) out[i] = by_rule(i);
    }
  };

  // each(block, column of the tile)
  template <class Each>
  static void each_block(Tile tile, const float* values, int64_t stride, const Each& each) {
    for (int64_t n = tile.n0; n < tile.n1; n += rows) {
      const int64_t height = tile.n1 - n < rows ? tile.n1 - n : rows;
      for (int64_t k = tile.k0; k < tile.k1; k += group) {
        const int64_t width = tile.k1 - k < group ? tile.k1 - k : group, column = k - tile.k0;
        each(Block(n, height, k, width, values + (n - tile.n0) * stride + column, stride), column);
      }
    }
  }

  // Leave one out: how much less all the others err without this one, its own error included.
  // Only without an extreme do they get another range.
  static void leave_out(Block& block, const float* penalty, float limit) {
    for (int64_t i = 0; i < block.height; ++i) {
      float* const w = block.weights[i];
      const auto error = [&](const Range& range) {
        float sum = 0;
        for (int64_t j = 0; j < block.width; ++j) {
          const float miss = miss_of(range, w[j]);
          sum += penalty[j] * (miss * miss);
        }
        return sum;
      };
      const Range whole = block.by_rule(i);
      const float of_all = error(whole);
      int64_t lowest = 0, highest_at = 0;
      for (int64_t j = 1; j < block.width; ++j) {
        if (w[j] < w[lowest]) lowest = j;
        if (w[j] > w[highest_at]) highest_at = j;
      }
      bool apart[group] = {};
      for (int64_t j = 0; j < block.width; ++j) {
        const float miss = miss_of(whole, w[j]);
        float gain = penalty[j] * (miss * miss);
        if (j == lowest || j == highest_at) {
          const float x = w[j];
          w[j] = 0;  // of which no range with 0 in it takes notice
          const Range rest = block.by_rule(i);
          const float of_zero = miss_of(rest, 0);
          gain = of_all - (error(rest) - penalty[j] * (of_zero * of_zero));
          w[j] = x;
        }
        apart[j] = gain > limit;
      }
      for (int64_t j = 0; j < block.width; ++j)
        if (apart[j]) w[j] = 0;
    }
  }

  static EncodeReport find_outliers(QuantizedTensor& q, ThreadPool& pool, const float* values,
                                    int64_t stride, const float* penalty, float limit) {
    std::vector<std::vector<Outlier>> of_rows(static_cast<size_t>((q.n + rows - 1) / rows));
    pool.run([&](Part part) {
      const auto mine = part.range(q.n, rows);
      each_block({mine.begin, mine.end, 0, q.k}, values + mine.begin * stride, stride,
                 [&](Block block, int64_t column) {
                   add_outliers(block, penalty == nullptr ? nullptr : penalty + column, limit,
                                of_rows[static_cast<size_t>(block.n0 / rows)]);
                 });
    });
    std::vector<Outlier> all;
    for (std::vector<Outlier>& each : of_rows) {
      std::sort(each.begin(), each.end(), [](const Outlier& a, const Outlier& b) {
        return a.n != b.n ? a.n < b.n : a.k < b.k;
      });
      all.insert(all.end(), each.begin(), each.end());
    }
    return {.overflowed_scales = put_outliers(q, all)};
  }
  static void add_outliers(Block& block, const float* penalty, float limit,
                           std::vector<Outlier>& to) {
    constexpr auto alike = [] {
      std::array<float, group> out{};
      for (float& each : out) each = 1;
      return out;
    }();
    if (penalty == nullptr) penalty = alike.data();
    const Block whole = block;
    Range ranges[rows];
    block.ranges(ranges);
    if (!block.finite) return;
    leave_out(block, penalty, limit);
    block.ranges(ranges);
    const auto statistics = TwoLevelStatistics::of(ranges, block.height);
    if (!statistics.finite()) return;
    for (int64_t i = 0; i < block.height; ++i) {
      for (int64_t j = 0; j < block.width; ++j) {
        const float miss = miss_of(range_of(statistics, i), whole.weights[i][j]);
        if (penalty[j] * (miss * miss) > limit)
          to.push_back({block.n0 + i, block.k0 + j, whole.weights[i][j]});
      }
    }
  }

  static EncodeReport prepare(QuantizedTensor& q, ThreadPool& pool, const float* values,
                              int64_t stride, ScaleRule) {
    const float limit =
        outlier_limit(pool, values, q.n, q.k, stride, nullptr, default_outlier_threshold);
    return find_outliers(q, pool, values, stride, nullptr, limit);
  }

  // By the rule, or, with `importance` of the group's columns, searched.
  static void encode_block(QuantizedTensor& q, Block& block, const float* importance,
                           EncodeReport& report) {
    bool apart[rows][group] = {};
    for (int64_t i = 0; i < block.height; ++i)
      each_outlier(q, block.n0 + i, block.k0, block.k0 + block.width, [&](int64_t k, float) {
        apart[i][k - block.k0] = true;
        block.weights[i][k - block.k0] = 0;
      });
    Range ranges[rows];
    block.ranges(ranges);
    if (!block.finite) {
      report.nonfinite += 1;
      return;
    }
    float weighted[rows][group];
    if (importance != nullptr) {
      for (int64_t i = 0; i < block.height; ++i)
        for (int64_t j = 0; j < block.width; ++j) weighted[i][j] = apart[i][j] ? 0 : importance[j];
      search(q, block, weighted, ranges);
    }
    auto statistics = TwoLevelStatistics::of(ranges, block.height);
    if (!statistics.finite()) {
      report.overflowed_scales += 1;
      return;
    }
    if (importance != nullptr) choose_codes(q, block, weighted, ranges, statistics);
    report.zero_groups += block.empty;
    bool flushed = !block.empty;
    const int64_t g = block.k0 / group;
    const float second[] = {statistics.scale.scale, statistics.scale.zero, statistics.zero.scale,
                            statistics.zero.zero};
    for (int64_t at = 0; at < 4; ++at)
      q.planes[second_plane].template as<uint16_t>()[(block.n0 / rows * groups(q.k) + g) * 4 + at] =
          f16_from_f32(second[at]);
    for (int64_t i = 0; i < block.height; ++i) {
      const int64_t n = block.n0 + i;
      Codes3::set(row_of(q.planes[scale_codes_plane], n), g, statistics.scale_codes[i]);
      Codes3::set(row_of(q.planes[zero_codes_plane], n), g, statistics.zero_codes[i]);
      const Range range = range_of(statistics, i);
      flushed = flushed && range.scale == 0;
      uint8_t codes[group];
      for (int64_t j = 0; j < block.width; ++j) {
        const float x = block.weights[i][j];
        codes[j] = static_cast<uint8_t>(code_of(range, x));
        const float steps = range.scale > 0 ? x / range.scale + range.zero : 0;
        report.clipped += steps <= -1 || steps >= highest + 1;
      }
      Base::Codes::pack(row_of(q.planes[codes_plane], n), block.k0, codes, block.width);
    }
    report.flushed_groups += flushed;
  }

  static Group row_group(QuantizedTensor& q, const Block& block, int64_t i) {
    return {q, block.n0 + i, 0, block.k0, block.width, block.weights[i]};
  }
  // From ranges that are cut by some factors, two fits of scale and zero to the codes by least
  // squares each; the best of them before the second level rounds it.
  static void search(QuantizedTensor& q, const Block& block, const float (*importance)[group],
                     Range* ranges) {
    constexpr RangeFactors factors = range_factors(bits);
    const float middle = 0.5f * static_cast<float>(highest);
    for (int64_t i = 0; i < block.height; ++i) {
      const Range start = ranges[i];
      if (!start.usable()) continue;
      const Group of_row = row_group(q, block, i);
      float least = Base::error_of(of_row, start, importance[i]);
      const auto keep = [&](const Range& range) {
        if (!range.usable() || !(range.zero >= 0) || !(range.zero <= highest)) return;
        const float error = Base::error_of(of_row, range, importance[i]);
        if (error < least) least = error, ranges[i] = range;
      };
      for (int at = 0; at < factors.count; at += 2) {
        Range range{start.scale * factors[at],
                    middle + (start.zero - middle) * (1.0f / factors[at])};
        keep(range);
        for (int fit = 0; fit < 2 && range.usable(); ++fit) {
          float scale, zero;
          if (!Base::fitted(of_row, range, importance[i], scale, zero)) break;
          keep(range = {scale, zero});
        }
      }
    }
  }
  // The second level's codes with the least error: near a row's scale, and any zero.
  static void choose_codes(QuantizedTensor& q, const Block& block, const float (*importance)[group],
                           const Range* ranges, TwoLevelStatistics& statistics) {
    for (int64_t i = 0; i < block.height; ++i) {
      if (ranges[i].scale == 0) continue;
      const Group of_row = row_group(q, block, i);
      const int near = statistics.scale_codes[i];
      float least = INFINITY;
      for (int scale = near - 1; scale <= near + 1; ++scale) {
        if (scale < 0 || scale > SecondLevel::last_code) continue;
        for (int zero = 0; zero <= SecondLevel::last_code; ++zero) {
          const Range range{statistics.scale.value(scale), statistics.zero.value(zero)};
          if (!range.usable()) continue;
          const float error = Base::error_of(of_row, range, importance[i]);
          if (!(error < least)) continue;
          least = error;
          statistics.scale_codes[i] = scale;
          statistics.zero_codes[i] = zero;
        }
      }
    }
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule) {
    EncodeReport report;
    each_block(tile, values, stride,
               [&](Block block, int64_t) { encode_block(q, block, nullptr, report); });
    return report;
  }
  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule, const float* importance) {
    EncodeReport report;
    each_block(tile, values, stride, [&](Block block, int64_t column) {
      encode_block(q, block, importance + column, report);
    });
    return report;
  }

  static Range range_at(const QuantizedTensor& q, int64_t n, int64_t g) {
    const uint16_t* second =
        q.planes[second_plane].template as<uint16_t>() + (n / rows * groups(q.k) + g) * 4;
    const auto value = [&](int at, int code) {
      return SecondLevel{f32_from_f16(second[at]), f32_from_f16(second[at + 1])}.value(code);
    };
    return {value(0, Codes3::get(row_of(q.planes[scale_codes_plane], n), g)),
            value(2, Codes3::get(row_of(q.planes[zero_codes_plane], n), g))};
  }
  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    uint8_t codes[group];
    for (int64_t n = tile.n0; n < tile.n1; ++n) {
      float* to = values + (n - tile.n0) * stride;
      for (int64_t k = tile.k0; k < tile.k1; k += group) {
        const int64_t count = tile.k1 - k < group ? tile.k1 - k : group;
        Base::Codes::unpack(row_of(q.planes[codes_plane], n), k, count, codes);
        const Range range = range_at(q, n, k / group);
        for (int64_t i = 0; i < count; ++i) to[k - tile.k0 + i] = range.value(codes[i]);
      }
    }
    patch_outliers(q, tile, values, stride);
  }

  static Format format() {
    static const std::string value = fmt::format(
        "scale * (code - zero), code in 0..{}, or an outlier; scale and zero from 3-bit codes",
        highest);
    Format f;
    f.layout =
        "codes, 3-bit codes of scales and zeros, their f16 scales and zeros for 16 rows, and "
        "outliers by rows, each in planes of their own; codes LSB first along k";
    f.value = value;
    f.source = "SpQR, arXiv 2306.03078";
    f.elements = Base::elements(group);
    f.elements->scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
      const Range range = range_at(q, n, k / group);
      return ElementScale{range.scale, range.zero};
    };
    f.scale_block = {rows, group};
    f.outliers = first_outliers;
    f.planes = planes;
    f.prepare = prepare;
    f.encode_tile = encode_tile;
    f.search_tile = search_tile;
    f.find_outliers = find_outliers;
    f.put_codes = Base::put_codes;
    f.decode_tile = decode_tile;
    return f;
  }
};

}  // namespace farthing
