// The search for the scales of blocks whose values are d * s * code - dmin * m: d and dmin halves,
// s and m unsigned whole numbers for each sub-block (Q2_K, Q4_K, Q5_K).
//
// As in scaled_batch.h: a good range for each sub-block, scale and minimum fitted by weighted least
// squares at once; then, thrice, the best s near the nearest with an m that fits its codes, and d
// and dmin fitted to all of them.
#pragma once

#include "formats/gguf/levels.h"
#include "formats/gguf/scale_search.h"
#include "formats/gguf/search/batch.h"
#include "formats/gguf/weights.h"

namespace farthing::gguf {

struct FoundRanges {
  uint16_t half = 0, min_half = 0;  // d, dmin
  int scales[16] = {}, minimums[16] = {};
  uint8_t codes[256];
};

// Sub-blocks of n weights, codes 0..highest, s and m in 0..highest_scale.
template <int n, int highest, int highest_scale, RangedSearch BlockSearches::*search>
class RangedBatch : public Batch<n> {
  using Base = Batch<n>;

 public:
  using Found = FoundRanges;

  static void weights(const float* x, float amax, const float* importance, float* w) {
    magnitude_weights<n, 256>(x, amax, importance, w);
  }
  static bool overflows(const Extremes& e) {
    return beyond_f16((e.high - e.low) / (highest * highest_scale)) ||
           beyond_f16(e.low / highest_scale);
  }

  template <class Put>
  EncodeReport run(const Put& put) {
    EncodeReport report;
    if (this->count_ == 0) return report;
    this->fill();
    const RangedSearch& of = block_searches().*search;
    alignas(64) float scales[16], minimums[16], d[16], dmin[16], codes[16 * n];
    of.fit(this->x_, this->w_, scales, minimums);
    Units units[Base::most];
    Found found[Base::most];
    for (int j = 0; j < 16; ++j) {
      Units& u = units[j / parts];
      u.d = scales[j] > u.d ? scales[j] : u.d;
      u.dmin = minimums[j] > u.dmin ? minimums[j] : u.dmin;
    }
    for (Units& u : units) u = {u.d / highest_scale, u.dmin / highest_scale};
    for (const int reach : {3, 1, 1}) {
      for (int b = 0; b < Base::most; ++b) {
        Units& u = units[b];
        u.d = nearest_scale(u.d);
        u.dmin = nearest_scale(u.dmin);
        u.done |= u.d < 0 || u.dmin < 0;
        for (int p = b * parts; p < (b + 1) * parts; ++p) {
          d[p] = u.d;
          dmin[p] = u.dmin;
        }
      }
      RangeTrial trial;
      of.refine(this->x_, this->w_, d, dmin, scales, minimums, highest_scale, reach, trial);
      for (int b = 0; b < Base::most; ++b)
        if (!units[b].done) keep(trial, b, units[b], found[b]);
    }
    for (int j = 0; j < 16; ++j) {
      const Found& f = found[j / parts];
      scales[j] = f32_from_f16(f.half) * static_cast<float>(f.scales[j % parts]);
      minimums[j] = f32_from_f16(f.min_half) * static_cast<float>(f.minimums[j % parts]);
    }
    of.codes(this->x_, scales, minimums, codes);
    for (int b = 0; b < this->count_; ++b) {
      Base::get_codes(codes, b, found[b].codes);
      bool any = false;
      for (int p = 0; p < parts; ++p) any |= found[b].scales[p] != 0 || found[b].minimums[p] != 0;
      report.flushed_groups += !any;
      put(this->blocks_[b], found[b]);
    }
    this->count_ = 0;
    return report;
  }

 private:
  static constexpr int parts = Base::parts;
  struct Units {
    float d = 0, dmin = 0, least = INFINITY;
    bool done = false;
  };

  // Keeps the scales where they are better than those before, and fits d and dmin to the trial.
  static void keep(const RangeTrial& trial, int b, Units& u, Found& found) {
    float error = 0, ss = 0, sm = 0, mm = 0, sr = 0, mr = 0;
    for (int p = b * parts; p < (b + 1) * parts; ++p) {
      error += trial.error[p];
      ss += trial.ss[p];
      sm += trial.sm[p];
      mm += trial.mm[p];
      sr += trial.sr[p];
      mr += trial.mr[p];
    }
    if (error < u.least) {
      u.least = error;
      found.half = f16_from_f32(u.d);
      found.min_half = f16_from_f32(u.dmin);
      for (int p = 0; p < parts; ++p) {
        found.scales[p] = static_cast<int>(trial.scales[b * parts + p]);
        found.minimums[p] = static_cast<int>(trial.minimums[b * parts + p]);
      }
    }
    const float determinant = ss * mm - sm * sm;
    if (determinant > 0) {
      u.d += (mm * sr - sm * mr) / determinant;
      u.dmin += (sm * sr - ss * mr) / determinant;
    } else if (ss > 0) {
      u.d += sr / ss;
    }
  }
};

}  // namespace farthing::gguf
