// How much each weight's error counts while scales of GGUF's blocks are searched: its column's
// importance where that is given, else as in ggml. Source: ggml-quants.c.
#pragma once

#include <cmath>
#include <cstring>

#include "formats/gguf/blocks.h"
#include "formats/group_search.h"

namespace farthing::gguf {

// x^2, relative to the block's largest; of `percent` of the mean of x^2 more. ggml has 0: then
// small weights count for almost nothing, and what is won for the large ones is lost on them.
template <int n, int percent = 0>
void square_weights(const float* x, float amax, const float* importance, float* w) {
  if (importance != nullptr) return void(std::memcpy(w, importance, n * sizeof(float)));
  const float inverse = reciprocal(amax);
  for (int i = 0; i < n; ++i) w[i] = (x[i] * inverse) * (x[i] * inverse);
  if constexpr (percent > 0) {
    GroupLanes squares;
    for (int i = 0; i < n; i += 8)
      for (int j = 0; j < 8; ++j) squares.lane[j] += w[i + j];
    const float more = percent / 100.0f * (squares.sum() / n);
    for (int i = 0; i < n; ++i) w[i] += more;
  }
}

// The root mean square of the n values of a sub-block, plus |x|; relative to the block's largest.
template <int n, int count>
void magnitude_weights(const float* x, float amax, const float* importance, float* w) {
  if (importance != nullptr) return void(std::memcpy(w, importance, count * sizeof(float)));
  const float inverse = reciprocal(amax);
  for (int begin = 0; begin < count; begin += n) {
    float squares = 0;
    for (int i = begin; i < begin + n; ++i) squares += (x[i] * inverse) * (x[i] * inverse);
    const float mean = std::sqrt(squares / n);  // exact to the last bit everywhere
    for (int i = begin; i < begin + n; ++i) w[i] = mean + std::fabs(x[i] * inverse);
  }
}

}  // namespace farthing::gguf
