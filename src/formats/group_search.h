// The search for the scale of a group of weights: the one with a small weighted squared error
// sum w (x - scale * level)^2, each level being the nearest one.
//
// From each of some scales the least-squares fit of its levels is tried too, all as they would be
// stored. Sums run in lanes i mod 8, so the result is a function of the group alone. Source: the
// searches of llama.cpp, GPTQ and AutoRound have the same aim; the method is our own.
#pragma once

#include <cmath>
#include <cstdint>

#include "formats/scale_rule.h"

namespace farthing {

// Sums over a group's weights in 8 lanes, ascending, then pairs: the order is a function of their
// number alone.
struct GroupLanes {
  float lane[8] = {};
  float sum() const {
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  }
};

// Calls each(i, j) for i < count, j = i mod 8.
template <class Each>
inline void each_lane(int64_t count, const Each& each) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (int j = 0; j < 8; ++j) each(i + j, j);
  for (int j = 0; i < count; ++i, ++j) each(i, j);
}

// `nearest(x)`: the level that x, in steps of the scale, takes.
template <class Nearest>
class ScaleSearch {
 public:
  ScaleSearch(const float* x, const float* w, int64_t count, Nearest nearest)
      : x_(x), w_(w), count_(count), nearest_(nearest) {}

  // Tries a scale, and what fits its levels best; `stored` rounds a scale to its stored type.
  template <class Stored>
  void consider(float start, const Stored& stored) {
    const float scale = stored(start);
    if (!usable(scale)) return;
    const float inverse = 1.0f / scale;
    GroupLanes along, square, error;
    each_lane(count_, [&](int64_t i, int j) {
      const float level = nearest_(x_[i] * inverse), weighted = w_[i] * level;
      const float miss = x_[i] - scale * level;
      along.lane[j] += weighted * x_[i];
      square.lane[j] += weighted * level;
      error.lane[j] += w_[i] * miss * miss;
    });
    keep(scale, error.sum());
    const float levels = square.sum();
    if (!(levels > 0)) return;
    const float fitted = stored(along.sum() / levels);
    if (usable(fitted) && fitted != scale) keep(fitted, error_of(fitted));
  }
  float best() const { return best_; }  // 0: none was usable
  float error() const { return least_; }

 private:
  static bool usable(float scale) {
    return scale != 0 && is_finite(scale) && is_finite(1.0f / scale);
  }
  void keep(float scale, float error) {
    if (error >= least_) return;
    least_ = error;
    best_ = scale;
  }
  float error_of(float scale) const {
    const float inverse = 1.0f / scale;
    GroupLanes error;
    each_lane(count_, [&](int64_t i, int j) {
      const float miss = x_[i] - scale * nearest_(x_[i] * inverse);
      error.lane[j] += w_[i] * miss * miss;
    });
    return error.sum();
  }

  const float *x_, *w_;
  int64_t count_;
  Nearest nearest_;
  float best_ = 0, least_ = INFINITY;
};

// Whole numbers from low to high.
struct NearestWhole {
  float low, high;
  float operator()(float x) const {
    x = x < low ? low : x;
    return round_even(x > high ? high : x);
  }
};

// What the scale of the largest weight is multiplied with: from a little more than all of the range
// to the part of it that is worth keeping with so few bits.
struct RangeFactors {
  int count;
  float first, step;
  float operator[](int i) const { return first - step * static_cast<float>(i); }
};
constexpr RangeFactors range_factors(int bits) {
  return bits <= 2   ? RangeFactors{26, 1.05f, 0.03f}
         : bits == 3 ? RangeFactors{22, 1.05f, 0.03f}
         : bits == 4 ? RangeFactors{18, 1.05f, 0.03f}
                     : RangeFactors{11, 1.01f, 0.02f};
}

}  // namespace farthing
