// Fake quantization on affine grids, forward and backward, and the choice of scales and zero
// points.
#include <limits>

#include "ops/fake_quantize/scale_segments.h"

namespace farthing::ops {

using namespace scale_segments;

namespace {

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

}  // namespace farthing::ops
