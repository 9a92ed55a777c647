// The search for the scale of a block whose values are scale * level: the one with the least
// weighted squared error sum w (x - scale level)^2 of some candidates and their least-squares fits,
// level always the nearest one. Sums run in lanes i mod 8. Our own method; the criterion and the
// weights are ggml's. For sub-blocks with whole scales: search/scaled_batch.h.
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

}  // namespace farthing::gguf
