// The search for the range of a block whose values are scale * code - minimum (q4_1, q5_1): the
// best of some, each fitted by weighted least squares to scale and minimum at once. For several at
// once: search/ranged_batch.h.
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

}  // namespace farthing::gguf
