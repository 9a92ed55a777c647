// Fake quantization: values rounded to an affine integer grid and back, straight-through gradients,
// and scales that are learned (LSQ).
#pragma once

#include <cstdint>
#include <span>

#include "formats/scale_rule.h"
#include "tensor/context.h"

namespace farthing::ops {

// Which elements of x [m, n] share a scale.
struct ScaleSharing {
  enum Kind { per_tensor, per_row, per_group };
  Kind kind = per_tensor;
  int64_t group = 0;  // per_group: columns of a group; the last group of a row may be shorter

  int64_t groups(int64_t columns) const {  // scales of a row
    return kind == per_group ? (columns + group - 1) / group : 1;
  }
  // The number of scales, and of zero points: one, [m], or [m, groups].
  int64_t count(int64_t rows, int64_t columns) const {
    return kind == per_tensor ? 1 : rows * groups(columns);
  }
};

// The grid s (q - z) for whole codes q in qmin..qmax, -2^20 <= qmin < qmax <= 2^20. Scales s and
// zero points z are given beside it, ScaleSharing::count of each. A scale is above 0 (a CHECK), or
// NaN or infinite, which makes its elements NaN; a zero point lies in qmin..qmax (a CHECK). Empty
// zero points are zeros.
struct AffineGrid {
  ScaleSharing sharing;
  int32_t qmin = 0, qmax = 0;
};

// out = (q - z) s with q = clamp(round(x / s) + z, qmin, qmax); x and out [m, n]; `out` may be `x`.
// In this order: the quotient, rounded to f32; to the nearest whole number, ties to even; + z,
// exact; the clamp; - z, exact; the product, rounded to f32. NaN stays NaN; -0 becomes +0.
// Element-wise: no split of the work changes a bit.
//
// torch.fake_quantize_per_{tensor,channel}_affine computes round(x (1 / s)) instead of round(x /
// s). The two give the same bits where s is a power of two (2^-126 and above), and elsewhere
// wherever x / s is not within |x / s| (2^-23 + 2^-46) of a tie k + 1/2; there the codes differ by
// at most one. Torch also makes NaN the code qmin; so does its per_channel where |x / s| >= 2^63.
void fake_quantize_forward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                           std::span<const float> scales, std::span<const int32_t> zero_points,
                           View<float, 2> out);

// What the gradient of x is where x lies outside the grid, that is where round(x / s) + z < qmin or
// > qmax, or is NaN.
enum class OutsideGradient {
  clipped,       // 0 (PyTorch)
  pass_through,  // that of out, as everywhere (Bengio et al., arXiv 1308.3432)
};

// x_gradient += out_gradient, or + 0 where `outside` says so. All [m, n], none overlaps another.
// Straight-through: the derivative of the rounding is taken as 1; s and z are constants.
void fake_quantize_backward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                            std::span<const float> scales, std::span<const int32_t> zero_points,
                            OutsideGradient outside, View<const float, 2> out_gradient,
                            View<float, 2> x_gradient);

// The codes of a rule with 2 to 16 bits b: min_max is asymmetric, 0 .. 2^b - 1; narrow is
// -(2^(b-1) - 1) .. 2^(b-1) - 1; half_step and wide are -2^(b-1) .. 2^(b-1) - 1. Rule signed_ is
// refused (a CHECK): its scales can be negative. (The grid -2^(b-1) .. 2^(b-1) - 1 with the
// zero points of min_max less 2^(b-1) has the same values, bit for bit.)
AffineGrid affine_grid(ScaleSharing sharing, int bits, ScaleRule rule);

// The scales and zero points of affine_grid(sharing, bits, rule) that cover x [m, n], 0 included:
// S by the rule (formats/scale_rule.h), Z = 0, or for min_max Z = clamp(round(-low / S), 0,
// 2^b - 1), so that a code is Q = round(R / S) + Z and its value R = (Q - Z) S. There is no least
// scale: elements that are all 0, or so small that S rounds to 0, get S = 1 and become zeros.
// Elements of which one is NaN or infinite get S = NaN. The order of rows and threads cannot
// matter.
void choose_affine_parameters(Context& context, View<const float, 2> x, ScaleSharing sharing,
                              int bits, ScaleRule rule, std::span<float> scales,
                              std::span<int32_t> zero_points);

// INT4 with a straight-through estimator: out = clamp(round(x / s), -7, 7) s, s = amax / 7 of each
// group of `group` columns; fake_quantize_forward with rule narrow. x and out [m, n].
void int4_straight_through_forward(Context& context, View<const float, 2> x, int64_t group,
                                   View<float, 2> out);
// x_gradient += out_gradient, both [m, n].
void int4_straight_through_backward(Context& context, View<const float, 2> out_gradient,
                                    View<float, 2> x_gradient);

// LSQ (Esser et al., arXiv 1902.08153): the scale is a parameter. Zero points are 0; scales below
// lsq_least_scale count as lsq_least_scale in all that follows.
inline constexpr float lsq_least_scale = 1e-5f;

void lsq_forward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                 std::span<const float> scales, View<float, 2> out);

// The elements that the scale's gradient is divided by the root of.
enum class LsqCount {
  scale_elements,   // those that share the scale: the paper
  tensor_elements,  // all m n, whatever shares: ParetoQ (arXiv 2502.02631)
};

// x_gradient += out_gradient where qmin < x / s < qmax (equation 5; ParetoQ takes <=).
// scale_gradient += g sum over the scale's elements of out_gradient d, with d = qmin where
// x / s <= qmin, qmax where x / s >= qmax, else round(x / s) - x / s (equation 3), and
// g = 1 / sqrt(count * qmax), computed in double and rounded once. A scale that the least one
// replaced gets the gradient of the replacement, so that it can grow again. NaN counts as inside,
// and makes its scale's gradient NaN. qmax >= 1. x_gradient overlaps no input. fixed_order: each
// product is rounded; the elements of a row that share a scale are summed in 16 lanes by their
// index from the first of them, then sum_of_lanes; per_tensor sums the rows' sums in the same way.
void lsq_backward(Context& context, View<const float, 2> x, const AffineGrid& grid,
                  std::span<const float> scales, LsqCount count, View<const float, 2> out_gradient,
                  View<float, 2> x_gradient, std::span<float> scale_gradient);

enum class LsqStart {
  mean,     // 2 mean|x| / sqrt(qmax): the paper; fixed_order, as the sums of lsq_backward
  largest,  // amax / qmax, which is amax / (2^(b-1) - 1): ParetoQ
};

// scales = the first scales for x [m, n], at least lsq_least_scale.
void lsq_start_scales(Context& context, View<const float, 2> x, const AffineGrid& grid,
                      LsqStart start, std::span<float> scales);

}  // namespace farthing::ops
