// The search for the scales of a block whose values are d * s * code - dmin * m: d and dmin halves,
// s and m unsigned whole numbers for each sub-block (Q2_K, Q4_K, Q5_K).
//
// As in scale_search.h: the best of some ranges for each sub-block, fitted by weighted least
// squares to scale and minimum at once; then the best s beside the nearest, with the m that fits
// its codes, and d and dmin fitted to all of them, twice.
#pragma once

#include "formats/gguf/levels.h"
#include "formats/gguf/scale_search.h"

namespace farthing::gguf {

// Values scale * code - minimum, minimum >= 0.
struct FittedRange {
  float scale = 0, minimum = 0, error = INFINITY;
};

// Weighted sums of n values and their codes.
template <int n, int highest>
struct CodesOfRange {
  float codes[n];

  CodesOfRange(const float* x, float inverse, float minimum) {
    for (int i = 0; i < n; ++i)
      codes[i] = WholeLevels<0, highest>::nearest((x[i] + minimum) * inverse);
  }

  // The least-squares scale and minimum of these codes.
  FittedRange fit(const float* x, const float* w) const {
    Lanes weight, of_x, of_code, code_x, code_code;
    for (int i = 0; i < n; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float wc = w[i + j] * codes[i + j];
        weight.lane[j] += w[i + j];
        of_x.lane[j] += w[i + j] * x[i + j];
        of_code.lane[j] += wc;
        code_x.lane[j] += wc * x[i + j];
        code_code.lane[j] += wc * codes[i + j];
      }
    }
    const float sw = weight.sum(), sx = of_x.sum(), sc = of_code.sum(), cx = code_x.sum(),
                cc = code_code.sum();
    const float determinant = sw * cc - sc * sc;
    FittedRange out;
    if (determinant > 0) {
      out.scale = (sw * cx - sx * sc) / determinant;
      out.minimum = (sc * cx - cc * sx) / determinant;
    }
    if (!(out.minimum >= 0) || !(determinant > 0)) {
      out.minimum = 0;
      out.scale = cc > 0 ? cx / cc : 0.0f;
    }
    return out;
  }

  // The minimum that fits these codes under this scale.
  float fitted_minimum(const float* x, const float* w, float scale) const {
    Lanes weight, over;
    for (int i = 0; i < n; i += 8) {
      for (int j = 0; j < 8; ++j) {
        weight.lane[j] += w[i + j];
        over.lane[j] += w[i + j] * (scale * codes[i + j] - x[i + j]);
      }
    }
    const float sum = weight.sum();
    return sum > 0 ? over.sum() / sum : 0.0f;
  }

  float error(const float* x, const float* w, float scale, float minimum) const {
    Lanes e;
    for (int i = 0; i < n; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float miss = x[i + j] - (scale * codes[i + j] - minimum);
        e.lane[j] += w[i + j] * miss * miss;
      }
    }
    return e.sum();
  }
};

template <int n, int highest>
FittedRange search_range(const float* x, const float* w) {
  using Codes = CodesOfRange<n, highest>;
  float low = 0,
        high = x[0];  // the least code may stand for a negative number, never a positive one
  for (int i = 0; i < n; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  FittedRange best;
  best.minimum = -low;
  constexpr float step = 0.1f;
  for (int i = -10; i <= 8; ++i) {
    const float steps = static_cast<float>(highest) + static_cast<float>(i) * step;
    const float inverse = reciprocal((high - low) / steps);
    if (inverse == 0) continue;
    FittedRange range = Codes(x, inverse, -low).fit(x, w);
    range.error =
        Codes(x, reciprocal(range.scale), range.minimum).error(x, w, range.scale, range.minimum);
    if (range.error < best.error) best = range;
  }
  for (int again = 0; again < 3; ++again) {
    FittedRange range = Codes(x, reciprocal(best.scale), best.minimum).fit(x, w);
    range.error =
        Codes(x, reciprocal(range.scale), range.minimum).error(x, w, range.scale, range.minimum);
    if (!(range.error < best.error)) break;
    best = range;
  }
  return best;
}

// One block of 256: sub-blocks of n weights, codes 0..highest, s and m in 0..highest_scale.
template <int n, int highest, int highest_scale>
struct RangedBlock {
  static constexpr int parts = 256 / n;
  uint16_t half = 0, min_half = 0;  // d, dmin
  int scales[parts] = {}, minimums[parts] = {};
  uint8_t codes[256];
  EncodeReport report;

  // Of finite values.
  RangedBlock(const float* x, const float* w, const Extremes& e) {
    if (beyond_f16((e.high - e.low) / (highest * highest_scale)) ||
        beyond_f16(e.low / highest_scale)) {
      report.overflowed_scales = 1;
      return;
    }
    FittedRange wanted[parts];
    float largest = 0, largest_minimum = 0;
    for (int p = 0; p < parts; ++p) {
      wanted[p] = search_range<n, highest>(x + p * n, w + p * n);
      largest = wanted[p].scale > largest ? wanted[p].scale : largest;
      largest_minimum = wanted[p].minimum > largest_minimum ? wanted[p].minimum : largest_minimum;
    }
    float d = largest / highest_scale, dmin = largest_minimum / highest_scale, least = INFINITY;
    for (int round = 0; round < 3; ++round) {
      d = nearest_scale(d);
      dmin = nearest_scale(dmin);
      if (d < 0 || dmin < 0) break;
      const Attempt attempt(x, w, d, dmin, wanted);
      if (attempt.error < least) {
        least = attempt.error;
        half = f16_from_f32(d);
        min_half = f16_from_f32(dmin);
        std::memcpy(scales, attempt.scales, sizeof scales);
        std::memcpy(minimums, attempt.minimums, sizeof minimums);
      }
      attempt.refit(d, dmin);
    }
    report.flushed_groups = e.amax() > 0;
    for (int p = 0; p < parts; ++p)
      if (scales[p] != 0 || minimums[p] != 0) report.flushed_groups = 0;
    put_codes(x);
  }

 private:
  using Codes = CodesOfRange<n, highest>;

  static float whole_inside(float s) { return WholeLevels<0, highest_scale>::nearest(s); }

  struct Attempt {
    int scales[parts] = {}, minimums[parts] = {};
    float error = 0;

    Attempt(const float* x, const float* w, float d, float dmin, const FittedRange* wanted) {
      const float inverse = reciprocal(d), min_inverse = reciprocal(dmin);
      for (int p = 0; p < parts; ++p, x += n, w += n) {
        const float at = whole_inside(wanted[p].scale * inverse);
        Choice best;
        for (const float away : {0.0f, -1.0f, 1.0f}) {
          const float s = at + away;
          if (s < 0 || s > highest_scale) continue;
          const float scale = d * s;
          float m = whole_inside(wanted[p].minimum * min_inverse);
          for (int again = 0; again < 2; ++again) {
            const float minimum = dmin * m;
            const Codes codes(x, reciprocal(scale), minimum);
            const float e = codes.error(x, w, scale, minimum);
            if (e < best.error) best = {s, m, e, sums_of(codes, x, w)};
            const float fitted = whole_inside(codes.fitted_minimum(x, w, scale) * min_inverse);
            if (fitted == m) break;
            m = fitted;
          }
        }
        scales[p] = static_cast<int>(best.s);
        minimums[p] = static_cast<int>(best.m);
        error += best.error;
        ss_ += best.s * best.s * best.sums.code_code;
        sm_ += best.s * best.m * best.sums.code;
        mm_ += best.m * best.m * best.sums.weight;
        sx_ += best.s * best.sums.code_x;
        mx_ += best.m * best.sums.x;
      }
    }

    // d and dmin by least squares of these codes, scales and minimums.
    void refit(float& d, float& dmin) const {
      const float determinant = ss_ * mm_ - sm_ * sm_;
      if (determinant > 0) {
        d = (sx_ * mm_ - mx_ * sm_) / determinant;
        dmin = (sx_ * sm_ - mx_ * ss_) / determinant;
      } else {
        d = ss_ > 0 ? sx_ / ss_ : d;
      }
    }

   private:
    struct Sums {
      float weight, x, code, code_x, code_code;
    };
    struct Choice {
      float s = 0, m = 0, error = INFINITY;
      Sums sums{};
    };
    static Sums sums_of(const Codes& codes, const float* x, const float* w) {
      Lanes weight, of_x, of_code, code_x, code_code;
      for (int i = 0; i < n; i += 8) {
        for (int j = 0; j < 8; ++j) {
          const float wc = w[i + j] * codes.codes[i + j];
          weight.lane[j] += w[i + j];
          of_x.lane[j] += w[i + j] * x[i + j];
          of_code.lane[j] += wc;
          code_x.lane[j] += wc * x[i + j];
          code_code.lane[j] += wc * codes.codes[i + j];
        }
      }
      return {weight.sum(), of_x.sum(), of_code.sum(), code_x.sum(), code_code.sum()};
    }
    float ss_ = 0, sm_ = 0, mm_ = 0, sx_ = 0, mx_ = 0;
  };

  void put_codes(const float* x) {
    const float d = f32_from_f16(half), dmin = f32_from_f16(min_half);
    for (int p = 0; p < parts; ++p) {
      const Codes nearest(x + p * n, reciprocal(d * static_cast<float>(scales[p])),
                          dmin * static_cast<float>(minimums[p]));
      for (int i = 0; i < n; ++i) codes[p * n + i] = static_cast<uint8_t>(nearest.codes[i]);
    }
  }
};

}  // namespace farthing::gguf
