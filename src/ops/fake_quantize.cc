// Fake quantization: each row is cut into the segments that share a scale.
#include "ops/fake_quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/rows.h"

namespace farthing::ops {

namespace {

bool same_shape(View<const float, 2> a, View<const float, 2> b) {
  return a.rows == b.rows && a.columns == b.columns;
}

void check_sharing(View<const float, 2> x, ScaleSharing sharing, int64_t scales) {
  CHECK(sharing.kind != ScaleSharing::per_group || sharing.group >= 1);
  CHECK(scales == sharing.count(x.rows, x.columns));
}

void check_grid(View<const float, 2> x, const AffineGrid& grid, std::span<const float> scales,
                std::span<const int32_t> zero_points) {
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

Ends ends_of(const AffineGrid& grid, std::span<const int32_t> zero_points, int64_t at) {
  const int32_t zero = zero_points.empty() ? 0 : zero_points[at];
  return {static_cast<float>(grid.qmin - zero), static_cast<float>(grid.qmax - zero)};
}

// t, or `ends` where it lies outside; NaN stays NaN.
float clamp(float t, Ends ends) {
  t = t < ends.low ? ends.low : t;
  return t > ends.high ? ends.high : t;
}

// round(t) where that lies inside the ends, else a whole number outside on the same side. Moving
// what is far outside to the first whole number outside keeps it in reach of round_even.
float rounded(float t, Ends ends) { return round_even(clamp(t, {ends.low - 1, ends.high + 1})); }

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
void extremes_by_scale(Context& context, View<const float, 2> x, ScaleSharing sharing,
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

float lsq_scale(float s) { return s < lsq_least_scale ? lsq_least_scale : s; }

// How many of the [rows, columns] elements share the scale that a segment belongs to.
int64_t elements_of(ScaleSharing sharing, int64_t rows, int64_t columns, int64_t at) {
  if (sharing.kind == ScaleSharing::per_tensor) return rows * columns;
  if (sharing.kind == ScaleSharing::per_row) return columns;
  const int64_t g = at % sharing.groups(columns);
  return std::min(columns, (g + 1) * sharing.group) - g * sharing.group;
}

// x_gradient += out_gradient.
void add_gradient(Context& context, View<const float, 2> out_gradient, View<float, 2> x_gradient) {
  for_each_row(context, x_gradient.rows, x_gradient.columns, [&](int64_t r) {
    const float* from = out_gradient.row(r);
    float* to = x_gradient.row(r);
    for (int64_t i = 0; i < x_gradient.columns; ++i) to[i] += from[i];
  });
}

}  // namespace

void fake_quantize_forward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                           std::span<const float> scales, std::span<const int32_t> zero_points,
                           View<float, 2> out) {
  CHECK(same_shape(x, out));
  check_grid(x, grid, scales, zero_points);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    const float* from = x.row(r);
    float* to = out.row(r);
    for_each_segment(grid.sharing, r, x.columns, [&](int64_t at, int64_t begin, int64_t end) {
      const float s = scales[at];
      const Ends ends = ends_of(grid, zero_points, at);
      // clamping q - z between qmin - z and qmax - z is clamping q
      for (int64_t i = begin; i < end; ++i) to[i] = clamp(rounded(from[i] / s, ends), ends) * s;
    });
  });
}

void fake_quantize_backward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                            std::span<const float> scales, std::span<const int32_t> zero_points,
                            OutsideGradient outside, View<const float, 2> out_gradient,
                            View<float, 2> x_gradient) {
  CHECK(same_shape(x, out_gradient) && same_shape(x, x_gradient));
  check_grid(x, grid, scales, zero_points);
  if (outside == OutsideGradient::pass_through)
    return add_gradient(context, out_gradient, x_gradient);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    const float *from = x.row(r), *gradient = out_gradient.row(r);
    float* to = x_gradient.row(r);
    for_each_segment(grid.sharing, r, x.columns, [&](int64_t at, int64_t begin, int64_t end) {
      const Ends ends = ends_of(grid, zero_points, at);
      for (int64_t i = begin; i < end; ++i) {
        const float code = rounded(from[i] / scales[at], ends);
        to[i] += code >= ends.low && code <= ends.high ? gradient[i] : 0.0f;
      }
    });
  });
}

AffineGrid affine_grid(ScaleSharing sharing, int bits, ScaleRule rule) {
  CHECK(bits >= 2 && bits <= 16 && rule != ScaleRule::signed_);
  const int32_t middle = 1 << (bits - 1);
  if (rule == ScaleRule::min_max) return {sharing, 0, 2 * middle - 1};
  return {sharing, rule == ScaleRule::narrow ? 1 - middle : -middle, middle - 1};
}

void choose_affine_parameters(Context& context, View<const float, 2> x, ScaleSharing sharing,
                              int bits, ScaleRule rule, std::span<float> scales,
                              std::span<int32_t> zero_points) {
  const AffineGrid grid = affine_grid(sharing, bits, rule);
  check_sharing(x, sharing, static_cast<int64_t>(scales.size()));
  CHECK(zero_points.size() == scales.size());
  Workspace::Mark mark(context.workspace);
  Extremes* extremes = context.workspace.take<Extremes>(static_cast<int64_t>(scales.size()));
  extremes_by_scale(context, x, sharing, extremes);
  for (size_t at = 0; at < scales.size(); ++at) {
    const Extremes& e = extremes[at];
    float s = unrounded_scale(rule, bits, e);
    if (s == 0) s = 1;
    if (!e.finite || s - s != 0) s = std::numeric_limits<float>::quiet_NaN();
    scales[at] = s;
    const bool asymmetric = rule == ScaleRule::min_max && s == s;
    const float zero = asymmetric ? round_even(-e.low / s) : 0.0f;
    zero_points[at] = std::clamp(static_cast<int32_t>(zero), grid.qmin, grid.qmax);
  }
}

void int4_straight_through_forward(Context& context, View<const float, 2> x, int64_t group,
                                   View<float, 2> out) {
  const ScaleSharing sharing{ScaleSharing::per_group, group};
  CHECK(group >= 1);
  const int64_t count = sharing.count(x.rows, x.columns);
  Workspace::Mark mark(context.workspace);
  const std::span<float> scales(context.workspace.take<float>(count), static_cast<size_t>(count));
  const std::span<int32_t> zeros(context.workspace.take<int32_t>(count), scales.size());
  choose_affine_parameters(context, x, sharing, 4, ScaleRule::narrow, scales, zeros);
  fake_quantize_forward(context, x, affine_grid(sharing, 4, ScaleRule::narrow), scales, zeros, out);
}

void int4_straight_through_backward(Context& context, View<const float, 2> out_gradient,
                                    View<float, 2> x_gradient) {
  CHECK(same_shape(out_gradient, x_gradient));
  add_gradient(context, out_gradient,
               x_gradient);  // OutsideGradient::pass_through, which needs no x
}

void lsq_forward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                 std::span<const float> scales, View<float, 2> out) {
  Workspace::Mark mark(context.workspace);
  const std::span<float> used(context.workspace.take<float>(static_cast<int64_t>(scales.size())),
                              scales.size());
  std::transform(scales.begin(), scales.end(), used.begin(), lsq_scale);
  fake_quantize_forward(context, x, grid, used, {}, out);
}

void lsq_backward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                  std::span<const float> scales, LsqCount count, View<const float, 2> out_gradient,
                  View<float, 2> x_gradient, std::span<float> scale_gradient) {
  CHECK(same_shape(x, out_gradient) && same_shape(x, x_gradient));
  CHECK(scale_gradient.size() == scales.size() && grid.qmax >= 1);
  Workspace::Mark mark(context.workspace);
  const auto scale_count = static_cast<int64_t>(scales.size());
  float* sums = context.workspace.take<float>(scale_count);
  float* used = context.workspace.take<float>(scale_count);
  std::transform(scales.begin(), scales.end(), used, lsq_scale);
  check_grid(x, grid, {used, scales.size()}, {});
  const Ends ends = ends_of(grid, {}, 0);
  sums_by_scale(context, x, grid.sharing, sums, [&](int64_t r, int64_t i, int64_t at) {
    const float t = x.row(r)[i] / used[at], gradient = out_gradient.row(r)[i];
    if (t <= ends.low) return gradient * ends.low;
    if (t >= ends.high) return gradient * ends.high;
    x_gradient.row(r)[i] += gradient;
    return gradient * (rounded(t, ends) - t);
  });
  for (int64_t at = 0; at < scale_count; ++at) {
    const int64_t elements = count == LsqCount::tensor_elements
                                 ? x.rows * x.columns
                                 : elements_of(grid.sharing, x.rows, x.columns, at);
    const double product = static_cast<double>(elements) * grid.qmax;
    scale_gradient[at] += static_cast<float>(1 / std::sqrt(product)) * sums[at];
  }
}

void lsq_start_scales(Context& context, View<const float, 2> x, const AffineGrid& grid,
                      LsqStart start, std::span<float> scales) {
  check_sharing(x, grid.sharing, static_cast<int64_t>(scales.size()));
  CHECK(grid.qmax >= 1 && x.rows >= 1 && x.columns >= 1);
  const auto count = static_cast<int64_t>(scales.size());
  const auto highest = static_cast<float>(grid.qmax);
  Workspace::Mark mark(context.workspace);
  if (start == LsqStart::largest) {
    Extremes* extremes = context.workspace.take<Extremes>(count);
    extremes_by_scale(context, x, grid.sharing, extremes);
    for (int64_t at = 0; at < count; ++at)
      scales[at] = lsq_scale(extremes[at].finite ? extremes[at].amax() / highest
                                                 : std::numeric_limits<float>::quiet_NaN());
    return;
  }
  sums_by_scale(context, x, grid.sharing, scales.data(),
                [&](int64_t r, int64_t i, int64_t) { return std::fabs(x.row(r)[i]); });
  for (int64_t at = 0; at < count; ++at) {
    const auto elements = static_cast<float>(elements_of(grid.sharing, x.rows, x.columns, at));
    scales[at] = lsq_scale(2 * (scales[at] / elements) / std::sqrt(highest));
  }
}

}  // namespace farthing::ops
