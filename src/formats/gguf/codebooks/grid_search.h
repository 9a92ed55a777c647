// The search for the scales of a block whose values are d * factor * (2 s + 1) * level, levels
// being rows of a code book, with signs or with a shift.
//
// As in scale_search.h, with all errors counted alike: for each sub-block the best of some scales
// by its least-squares fit; d so that the largest takes the largest s; then the best s beside the
// nearest, and d fitted to all of them.
#pragma once

#include "formats/gguf/codebooks/nearest_row.h"
#include "formats/gguf/levels.h"
#include "formats/gguf/scale_search.h"

namespace farthing::gguf {

// The rows nearest to a sub-block of `count` weights. A byte of signs for each eight weights, free
// or with an even number of minus signs.
template <const auto& grid, int count, bool even>
struct SignedRows {
  static constexpr int n = count, width = grid.width;
  static constexpr float reach = grid.levels[grid.level_kinds - 1];
  // where the largest weight is tried, in units of the largest level
  static constexpr float first_end = 0.7f, last_end = 1.5f;
  float levels[n];
  uint16_t rows[n / width];
  uint8_t signs[n / 8];

  void find(const float* x, float inverse) {
    const auto& nearest = NearestRow<grid>::of_grid();
    for (int eight = 0; eight < n; eight += 8) {
      float wanted[8];
      int minus = 0, least = 0, ones = 0;
      for (int j = 0; j < 8; ++j) {
        const float scaled = x[eight + j] * inverse;
        minus |= (scaled < 0) << j;
        ones += scaled < 0;
        wanted[j] = std::fabs(scaled);
        if (wanted[j] < wanted[least]) least = j;
      }
      if (even && ones % 2 != 0) {  // the smallest takes the wrong sign
        minus ^= 1 << least;
        wanted[least] = -wanted[least];
      }
      signs[eight / 8] = static_cast<uint8_t>(minus);
      for (int j = 0; j < 8; j += width) {
        const int row = nearest.row(wanted + j);
        rows[(eight + j) / width] = static_cast<uint16_t>(row);
        for (int i = 0; i < width; ++i) {
          const auto level = static_cast<float>(grid.row(row)[i]);
          levels[eight + j + i] = (minus >> (j + i) & 1) != 0 ? -level : level;
        }
      }
    }
  }
};

// Rows of -1, 0, 1, all shifted by +1/8 or by -1/8; one shift for each `shifted` weights.
template <int count, int shifted>
struct ShiftedRows {
  static constexpr int n = count;
  static constexpr float reach = 1.125f, first_end = 0.8f, last_end = 2.4f;
  float levels[n];
  uint16_t rows[n / 8];
  bool minus[n / 8];  // the shift

  void find(const float* x, float inverse) {
    for (int begin = 0; begin < n; begin += shifted) {
      float least = INFINITY;
      for (const float shift : {0.125f, -0.125f}) {
        float found[shifted], error = 0;
        uint16_t found_rows[shifted / 8];
        for (int eight = 0; eight < shifted; eight += 8) {
          float wanted[8];
          for (int j = 0; j < 8; ++j) wanted[j] = x[begin + eight + j] * inverse - shift;
          const int row = NearestRow<iq1_grid>::of_grid().row(wanted);
          found_rows[eight / 8] = static_cast<uint16_t>(row);
          for (int j = 0; j < 8; ++j) {
            const auto level = static_cast<float>(iq1_grid.row(row)[j]);
            error += (wanted[j] - level) * (wanted[j] - level);
            found[eight + j] = level + shift;
          }
        }
        if (error >= least) continue;
        least = error;
        std::memcpy(levels + begin, found, sizeof found);
        std::memcpy(rows + begin / 8, found_rows, sizeof found_rows);
        for (int eight = 0; eight < shifted; eight += 8) minus[(begin + eight) / 8] = shift < 0;
      }
    }
  }
};

// Scales and rows of one block of 256, s in 0..highest; `factor` is what d is multiplied with.
template <class Rows, int highest>
struct GridBlock {
  static constexpr int n = Rows::n, parts = 256 / n;
  uint16_t half = 0;  // d
  int scales[parts] = {};
  Rows rows[parts];
  EncodeReport report;

  // Of finite values, the largest magnitude being amax, which is above 0.
  GridBlock(const float* x, float amax, float factor) {
    if (beyond_f16(amax / (Rows::reach * (2 * highest + 1) * factor))) {
      report.overflowed_scales = 1;
      return;
    }
    float fitted[parts], largest = 0;
    for (int p = 0; p < parts; ++p) {
      fitted[p] = search(x + p * n);
      largest = fitted[p] > largest ? fitted[p] : largest;
    }
    float d = largest / ((2 * highest + 1) * factor), least = squares(x, 256);  // of zeros
    for (int round = 0; round < 2; ++round) {
      if (beyond_f16(d)) d = 65504.0f;
      const uint16_t stored = f16_from_f32(d);
      const float unit = f32_from_f16(stored) * factor;
      if (reciprocal(unit) == 0) break;
      const Attempt attempt(x, unit, fitted);
      if (attempt.error < least) {
        least = attempt.error;
        half = stored;
        std::memcpy(scales, attempt.scales, sizeof scales);
      }
      d = attempt.square > 0 ? attempt.along / attempt.square / factor : 0.0f;
    }
    report.flushed_groups = half == 0;
    const float unit = f32_from_f16(half) * factor;
    for (int p = 0; p < parts; ++p)
      rows[p].find(x + p * n, reciprocal(unit * static_cast<float>(2 * scales[p] + 1)));
  }

 private:
  struct Sums {
    float along, square;
    Sums(const float* x, const float* levels) {
      Lanes a, s;
      for (int i = 0; i < n; i += 8) {
        for (int j = 0; j < 8; ++j) {
          a.lane[j] += levels[i + j] * x[i + j];
          s.lane[j] += levels[i + j] * levels[i + j];
        }
      }
      along = a.sum();
      square = s.sum();
    }
  };

  static float squares(const float* x, int count) {
    Lanes s;
    for (int i = 0; i < count; i += 8)
      for (int j = 0; j < 8; ++j) s.lane[j] += x[i + j] * x[i + j];
    return s.sum();
  }
  static float error_of(const float* x, const float* levels, float scale) {
    Lanes e;
    for (int i = 0; i < n; i += 8) {
      for (int j = 0; j < 8; ++j) {
        const float miss = x[i + j] - scale * levels[i + j];
        e.lane[j] += miss * miss;
      }
    }
    return e.sum();
  }

  // The scale of a sub-block alone.
  static float search(const float* x) {
    const float amax = extremes_of(x, n).amax();
    constexpr int tries = 10;
    float best = 0, most = 0;
    Rows rows;
    const auto consider = [&](float scale) {
      const float inverse = reciprocal(scale);
      if (inverse == 0) return;
      rows.find(x, inverse);
      const Sums sums(x, rows.levels);
      if (!(sums.along > 0)) return;
      const float saved = sums.along * (sums.along / sums.square);  // of the sum of squares
      if (saved > most) {
        most = saved;
        best = sums.along / sums.square;
      }
    };
    for (int i = 0; i < tries; ++i) {
      constexpr float step = (Rows::last_end - Rows::first_end) / (tries - 1);
      consider(amax / (Rows::reach * (Rows::first_end + static_cast<float>(i) * step)));
    }
    for (int again = 0; again < 2; ++again) consider(best);
    return best;
  }

  struct Attempt {
    int scales[parts] = {};
    float error = 0, along = 0, square = 0;

    Attempt(const float* x, float unit, const float* wanted) {
      Rows rows;
      for (int p = 0; p < parts; ++p, x += n) {
        const float at = WholeLevels<0, highest>::nearest((wanted[p] / unit - 1.0f) * 0.5f);
        float least = INFINITY, part_along = 0, part_square = 0;
        for (const float away : {0.0f, -1.0f, 1.0f}) {
          const float s = at + away;
          if (s < 0 || s > highest) continue;
          const float times = 2 * s + 1, scale = unit * times;
          rows.find(x, reciprocal(scale));
          const float e = error_of(x, rows.levels, scale);
          if (e >= least) continue;
          least = e;
          scales[p] = static_cast<int>(s);
          const Sums sums(x, rows.levels);
          part_along = times * sums.along;
          part_square = times * times * sums.square;
        }
        error += least;
        along += part_along;
        square += part_square;
      }
    }
  };
};

}  // namespace farthing::gguf
