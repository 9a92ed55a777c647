// Scales that are learned (LSQ), forward and backward, and what they start from.
#include <cmath>
#include <limits>

#include "ops/fake_quantize/scale_segments.h"

namespace farthing::ops {

using namespace scale_segments;

namespace {

float lsq_scale(float s) { return s < lsq_least_scale ? lsq_least_scale : s; }

// How many of the [rows, columns] elements share the scale that a segment belongs to.
int64_t elements_of(ScaleSharing sharing, int64_t rows, int64_t columns, int64_t at) {
  if (sharing.kind == ScaleSharing::per_tensor) return rows * columns;
  if (sharing.kind == ScaleSharing::per_row) return columns;
  const int64_t g = at % sharing.groups(columns);
  return std::min(columns, (g + 1) * sharing.group) - g * sharing.group;
}

}  // namespace

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
