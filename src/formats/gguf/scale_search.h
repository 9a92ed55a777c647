// The search for the scales of a block whose values are d * s * level: d a half, s a whole number
// for each sub-block.
//
// The weighted squared error sum w (x - d s level)^2, level always the nearest one, is made small
// in three steps: for each sub-block the best of `candidates` scales and their least-squares fits;
// d so that the largest of them takes the largest s; then, twice, the best s beside the nearest,
// and d fitted to all of them. Sums run in lanes i mod 8. Our own method; the criterion and the
// weights are ggml's.
#pragma once

#include <cstring>

#include "formats/gguf/blocks.h"
#include "formats/group_search.h"

namespace farthing::gguf {

using Lanes = GroupLanes;

// Levels nearest to x / scale, and what they are worth.
template <class Levels, int n>
struct Nearest {
  float levels[n];
  float along = 0;   // sum w x level
  float square = 0;  // sum w level^2

  Nearest(const float* x, const float* w, float inverse) {
    Lanes a, s;
    for (int i = 0; i < n; ++i) levels[i] = Levels::nearest(x[i] * inverse);
    for (int i = 0; i < n; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float weighted = w[i + j] * levels[i + j];
        a.lane[j] += weighted * x[i + j];
        s.lane[j] += weighted * levels[i + j];
      }
    }
    along = a.sum();
    square = s.sum();
  }
  float fit() const { return square > 0 ? along / square : 0.0f; }
  float error(const float* x, const float* w, float scale) const {
    Lanes e;
    for (int i = 0; i < n; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float miss = x[i + j] - scale * levels[i + j];
        e.lane[j] += w[i + j] * miss * miss;
      }
    }
    return e.sum();
  }
};

// The half that is nearest to a scale, as a float: neither infinite, nor zero where the scale is
// not.
inline float nearest_scale(float scale) {
  constexpr float least = 0x1p-24f, largest = 65504.0f;
  const float magnitude = std::fabs(scale);
  if (!(magnitude > 0)) return 0;
  const float inside = magnitude < least ? least : magnitude > largest ? largest : magnitude;
  return f32_from_f16(f16_from_f32(scale < 0 ? -inside : inside));
}
inline bool beyond_f16(float x) {
  const float stored = f32_from_f16(f16_from_f32(x));
  return stored - stored != 0;
}

struct FittedScale {
  float scale = 0, error = 0;
};

// The scale, of either sign, with the least error that was found; values are not all zero.
template <class Levels, int n>
FittedScale search_scale(const float* x, const float* w) {
  float extreme = 0;
  for (int i = 0; i < n; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  FittedScale best{0.0f, INFINITY};
  const auto consider = [&](float scale) {
    const float inverse = reciprocal(scale);
    if (inverse == 0) return;
    const Nearest<Levels, n> first(x, w, inverse);
    const float fitted = first.fit();
    if (reciprocal(fitted) == 0) return;
    const Nearest<Levels, n> second(x, w, reciprocal(fitted));
    const float error = second.error(x, w, fitted);
    if (error < best.error) best = {fitted, error};
  };
  // The extreme on the end of the levels, and a little inside or outside of it: a step outside
  // makes the others finer, a step inside spends a level less.
  constexpr float step = (Levels::high - Levels::low) / 15.0f / 8.0f;
  for (const float end : {Levels::low, Levels::high})
    for (int i = -6; i <= 6; ++i) consider(extreme / (end + static_cast<float>(i) * step));
  return best;
}

// Codes and scales of one block of `parts` sub-blocks of n weights, s in [low_scale, high_scale].
template <class Levels, int n, int parts, int low_scale, int high_scale>
struct ScaledBlock {
  uint16_t half = 0;  // d
  int scales[parts] = {};
  uint8_t codes[parts * n];  // of the levels
  EncodeReport report;

  // Of finite values, the largest magnitude being amax.
  ScaledBlock(const float* x, const float* w, float amax) {
    constexpr int end = -low_scale > high_scale ? low_scale : high_scale;
    constexpr float reach = (-Levels::low > Levels::high ? -Levels::low : Levels::high) * end;
    if (beyond_f16(amax / reach)) {
      report.overflowed_scales = 1;
      return;
    }
    float fitted[parts], extreme = 0;
    for (int p = 0; p < parts; ++p) {
      const bool empty = extremes_of(x + p * n, n).amax() == 0;
      fitted[p] = empty ? 0.0f : search_scale<Levels, n>(x + p * n, w + p * n).scale;
      if (std::fabs(fitted[p]) > std::fabs(extreme)) extreme = fitted[p];
    }
    float d = extreme / static_cast<float>(end), least = INFINITY;
    for (int round = 0; round < 3; ++round) {
      d = nearest_scale(d);
      if (d == 0) break;
      const Attempt attempt(x, w, d, fitted);
      if (attempt.error < least) {
        least = attempt.error;
        half = f16_from_f32(d);
        std::memcpy(scales, attempt.scales, sizeof scales);
      }
      d = attempt.square > 0 ? attempt.along / attempt.square : 0.0f;
      for (int p = 0; p < parts; ++p) fitted[p] = attempt.fitted[p];
    }
    report.flushed_groups = amax > 0;
    for (const int scale : scales)
      if (scale != 0) report.flushed_groups = 0;
    put_codes(x);
  }

 private:
  struct Attempt {
    int scales[parts];
    float fitted[parts];
    float error = 0, along = 0, square = 0;

    Attempt(const float* x, const float* w, float d, const float* wanted) {
      for (int p = 0; p < parts; ++p, x += n, w += n) {
        const float at = round_even(inside(wanted[p] / d));
        float least = INFINITY;
        for (const float away : {0.0f, -1.0f, 1.0f}) {
          const float s = at + away;
          if (s < low_scale || s > high_scale) continue;
          const Nearest<Levels, n> nearest(x, w, reciprocal(d * s));
          const float e = nearest.error(x, w, d * s);
          if (e >= least) continue;
          least = e;
          scales[p] = static_cast<int>(s);
          fitted[p] = nearest.fit();
          along_of_[p] = s * nearest.along;
          square_of_[p] = s * s * nearest.square;
        }
        error += least;
        along += along_of_[p];
        square += square_of_[p];
      }
    }

   private:
    static float inside(float s) {
      s = s < low_scale ? static_cast<float>(low_scale) : s;
      return s > high_scale ? static_cast<float>(high_scale) : s;
    }
    float along_of_[parts], square_of_[parts];
  };

  void put_codes(const float* x) {
    const float d = f32_from_f16(half);
    for (int p = 0; p < parts; ++p) {
      const float inverse = reciprocal(d * static_cast<float>(scales[p]));
      for (int i = p * n; i < (p + 1) * n; ++i)
        codes[i] = Levels::code(Levels::nearest(x[i] * inverse));
    }
  }
};

}  // namespace farthing::gguf
