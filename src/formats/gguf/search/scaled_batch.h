// The search for the scales of blocks whose values are d * s * level: d a half, s a whole number
// for each sub-block.
//
// The weighted squared error sum w (x - d s level)^2, level always the nearest one, is made small
// in three steps: for each sub-block a good scale; d so that the largest of them takes the largest
// s; then, some times, for each sub-block the best s near the nearest, and d fitted to all of them.
// Where the errors of neighbouring s jump, as they do with few weights and many levels, a wide look
// at the scales that can be stored finds more than a long one at those that cannot. Our own method;
// the criterion and the weights are ggml's.
#pragma once

#include <cstring>

#include "formats/gguf/scale_search.h"
#include "formats/gguf/search/batch.h"
#include "formats/gguf/weights.h"

namespace farthing::gguf {

struct FoundScales {
  uint16_t half = 0;  // d
  int scales[16] = {};
  uint8_t codes[256];
};

// Sub-blocks of n weights, s in [low_scale, high_scale]. `mean_percent`: of square_weights, a share
// that makes the plain squared error smaller and costs the one with ggml's weights next to nothing.
// `reaches`: how far beside the nearest s the best one is looked for, each time.
template <class Levels, int n, int low_scale, int high_scale, ScaledSearch BlockSearches::*search,
          int mean_percent, int... reaches>
class ScaledBatch : public Batch<n> {
  using Base = Batch<n>;

 public:
  using Found = FoundScales;

  static void weights(const float* x, float amax, const float* importance, float* w) {
    square_weights<256, mean_percent>(x, amax, importance, w);
  }
  // Whether the block's scale is beyond a half.
  static bool overflows(const Extremes& e) {
    constexpr float reach = (-Levels::low > Levels::high ? -Levels::low : Levels::high) * end;
    return beyond_f16(e.amax() / reach);
  }

  // Encodes the blocks that were added: put(block, found).
  template <class Put>
  EncodeReport run(const Put& put) {
    EncodeReport report;
    if (this->count_ == 0) return report;
    this->fill();
    const ScaledSearch& of = block_searches().*search;
    alignas(64) float wanted[16], d[16], codes[16 * n];
    of.fit(this->x_, this->w_, wanted);
    float unit[Base::most], least[Base::most];
    bool done[Base::most] = {};
    Found found[Base::most];
    for (int b = 0; b < Base::most; ++b) {
      float extreme = 0;
      for (int p = b * parts; p < (b + 1) * parts; ++p)
        if (std::fabs(wanted[p]) > std::fabs(extreme)) extreme = wanted[p];
      unit[b] = extreme / static_cast<float>(end);
      least[b] = INFINITY;
    }
    for (const int reach : {reaches...}) {
      for (int b = 0; b < Base::most; ++b) {
        unit[b] = nearest_scale(unit[b]);
        done[b] |= unit[b] == 0;
        for (int p = b * parts; p < (b + 1) * parts; ++p) d[p] = unit[b];
      }
      ScaleTrial trial;
      of.refine(this->x_, this->w_, d, wanted, low_scale, high_scale, reach, trial);
      for (int b = 0; b < Base::most; ++b)
        if (!done[b]) keep(trial, b, least[b], unit[b], found[b]);
      std::memcpy(wanted, trial.fitted, sizeof wanted);
    }
    for (int j = 0; j < 16; ++j)
      d[j] = f32_from_f16(found[j / parts].half) *
             static_cast<float>(found[j / parts].scales[j % parts]);
    of.codes(this->x_, d, codes);
    for (int b = 0; b < this->count_; ++b) {
      Base::get_codes(codes, b, found[b].codes);
      bool any = false;
      for (int p = 0; p < parts; ++p) any |= found[b].scales[p] != 0;
      report.flushed_groups += !any;
      put(this->blocks_[b], found[b]);
    }
    this->count_ = 0;
    return report;
  }

 private:
  static constexpr int parts = Base::parts;
  static constexpr int end = -low_scale > high_scale ? low_scale : high_scale;

  // Keeps the scales where they are better than those before, and fits d to the trial.
  static void keep(const ScaleTrial& trial, int b, float& least, float& d, Found& found) {
    float error = 0, along = 0, square = 0;
    for (int p = b * parts; p < (b + 1) * parts; ++p) {
      error += trial.error[p];
      along += trial.along[p];
      square += trial.square[p];
    }
    if (error < least) {
      least = error;
      found.half = f16_from_f32(d);
      for (int p = 0; p < parts; ++p)
        found.scales[p] = static_cast<int>(trial.scales[b * parts + p]);
    }
    d = square > 0 ? d + along / square : 0.0f;
  }
};

}  // namespace farthing::gguf
