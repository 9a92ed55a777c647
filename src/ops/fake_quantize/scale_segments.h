// Rows of a tensor cut into the segments that share a scale, and sums and extremes over those.
#pragma once

#include <algorithm>

#include "ops/fake_quantize/fake_quantize.h"
#include "ops/rows.h"

namespace farthing::ops::scale_segments {

inline bool same_shape(View<const float, 2> a, View<const float, 2> b) {
  return a.rows == b.rows && a.columns == b.columns;
}

inline void check_sharing(View<const float, 2> x, ScaleSharing sharing, int64_t scales) {
  CHECK(sharing.kind != ScaleSharing::per_group || sharing.group >= 1);
  CHECK(scales == sharing.count(x.rows, x.columns));
}

inline void check_grid(View<const float, 2> x, const AffineGrid& grid,
                       std::span<const float> scales, std::span<const int32_t> zero_points) {
  constexpr int32_t most = 1 << 20;  // q - z then fits round_even and is exact in f32
  CHECK(-most <= grid.qmin && grid.qmin < grid.qmax && grid.qmax <= most);
  check_sharing(x, grid.sharing, static_cast<int64_t>(scales.size()));
  CHECK(zero_points.empty() || zero_points.size() == scales.size());
  CHECK(!zero_points.empty() || (grid.qmin <= 0 && 0 <= grid.qmax));
  for (float s : scales) CHECK(!(s <= 0));
  for (int32_t z : zero_points) CHECK(grid.qmin <= z && z <= grid.qmax);
}

// Calls work(index of the scale, first column, end column) for each segment of row r.
template <class Work>
void for_each_segment(ScaleSharing sharing, int64_t r, int64_t columns, const Work& work) {
  if (sharing.kind == ScaleSharing::per_tensor) return work(int64_t{0}, int64_t{0}, columns);
  const int64_t groups = sharing.groups(columns);
  const int64_t size = sharing.kind == ScaleSharing::per_group ? sharing.group : columns;
  for (int64_t g = 0; g < groups; ++g)
    work(r * groups + g, g * size, std::min(columns, (g + 1) * size));
}

// The lowest and the highest q - z.
struct Ends {
  float low, high;
};

inline Ends ends_of(const AffineGrid& grid, std::span<const int32_t> zero_points, int64_t at) {
  const int32_t zero = zero_points.empty() ? 0 : zero_points[at];
  return {static_cast<float>(grid.qmin - zero), static_cast<float>(grid.qmax - zero)};
}

// t, or `ends` where it lies outside; NaN stays NaN.
inline float clamp(float t, Ends ends) {
  t = t < ends.low ? ends.low : t;
  return t > ends.high ? ends.high : t;
}

// round(t) where that lies inside the ends, else a whole number outside on the same side. Moving
// what is far outside to the first whole number outside keeps it in reach of round_even.
inline float rounded(float t, Ends ends) {
  return round_even(clamp(t, {ends.low - 1, ends.high + 1}));
}

// Sixteen lanes, lane = index mod 16, and their tree: the order of docs/numerics.md.
template <class Term>
float sum_in_lanes(int64_t count, const Term& term) {
  float lane[16] = {};
  for (int64_t i = 0; i < count; ++i) lane[i % 16] += term(i);
  for (int width = 8; width >= 1; width /= 2)
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  return lane[0];
}

// out[scale] = the sum of term(row, column) over the elements that share the scale.
template <class Term>
void sums_by_scale(Context& context, View<const float, 2> x, ScaleSharing sharing, float* out,
                   const Term& term) {
  const bool per_tensor = sharing.kind == ScaleSharing::per_tensor;
  Workspace::Mark mark(context.workspace);
  float* of_rows = per_tensor ? context.workspace.take<float>(x.rows) : nullptr;
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    for_each_segment(sharing, r, x.columns, [&](int64_t at, int64_t begin, int64_t end) {
      float& to = per_tensor ? of_rows[r] : out[at];
      to = sum_in_lanes(end - begin, [&](int64_t i) { return term(r, begin + i, at); });
    });
  });
  if (per_tensor) out[0] = sum_in_lanes(x.rows, [&](int64_t r) { return of_rows[r]; });
}

// out[scale] = the extremes of the elements that share the scale.
inline void extremes_by_scale(Context& context, View<const float, 2> x, ScaleSharing sharing,
                              Extremes* out) {
  const bool per_tensor = sharing.kind == ScaleSharing::per_tensor;
  Workspace::Mark mark(context.workspace);
  Extremes* of_rows = per_tensor ? context.workspace.take<Extremes>(x.rows) : nullptr;
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    for_each_segment(sharing, r, x.columns, [&](int64_t at, int64_t begin, int64_t end) {
      (per_tensor ? of_rows[r] : out[at]) = extremes_of(x.row(r) + begin, end - begin);
    });
  });
  if (!per_tensor) return;
  out[0] = {};
  for (int64_t r = 0; r < x.rows; ++r) {
    out[0].low = std::min(out[0].low, of_rows[r].low);
    out[0].high = std::max(out[0].high, of_rows[r].high);
    out[0].finite = out[0].finite && of_rows[r].finite;
  }
}

}  // namespace farthing::ops::scale_segments
