// Facts about fake quantization: values, gradients, chosen and learned scales.
#include "ops/fake_quantize/fake_quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "ops/support/fake_quantize_golden.h"

namespace farthing {
namespace {

using ops::AffineGrid;
using ops::OutsideGradient;
using ops::ScaleSharing;
using testing::same_bits;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

Tensor matrix(int64_t rows, int64_t columns, const std::vector<float>& values) {
  Tensor out(DType::f32, {rows, columns});
  std::copy(values.begin(), values.end(), out.as<float>());
  return out;
}

Tensor normals(int64_t rows, int64_t columns, uint64_t stream) {
  Tensor out(DType::f32, {rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i)
    out.as<float>()[i] = random_normal(7, stream, static_cast<uint64_t>(i));
  return out;
}

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.shape().elements()};
}

class FakeQuantize : public ::testing::Test {
 protected:
  std::vector<float> forward(const Tensor& x, const AffineGrid& grid,
                             const std::vector<float>& scales, const std::vector<int32_t>& zeros) {
    Tensor out(DType::f32, x.shape());
    ops::fake_quantize_forward(context_, x.view<float>(), grid, scales, zeros, out.view<float>());
    return values_of(out);
  }

  ContextOwner owner_{1, supported_isas().back()};
  Context& context_ = owner_.get();
};

using Lsq = FakeQuantize;
using AffineParameters = FakeQuantize;
using Int4StraightThrough = FakeQuantize;

TEST_F(FakeQuantize, AgreesWithTorch) {
  testing::expect_torch(context_,
                        FARTHING_SOURCE_DIR "/tests/ops/data/fake_quantize_golden.safetensors");
}

TEST_F(FakeQuantize, RoundsBeforeTheZeroPointIsAdded) {
  // 0.5 rounds to 0, 0 + 3 = 3; round(0.5 + 3) would be 4
  EXPECT_EQ(forward(matrix(1, 4, {0.5f, 1.5f, 2.5f, -0.5f}), {{}, -8, 7}, {1}, {3}),
            (std::vector<float>{0, 2, 2, 0}));
}

TEST_F(FakeQuantize, ClampsToTheGridAndNaNStaysNaN) {
  const auto out = forward(matrix(1, 6, {infinity, -infinity, 1e30f, -1e30f, -0.0f, nan}),
                           {{}, -8, 7}, {0.5f}, {3});
  EXPECT_EQ(std::vector(out.begin(), out.begin() + 5), (std::vector<float>{2, -5.5f, 2, -5.5f, 0}));
  EXPECT_FALSE(std::signbit(out[4]));
  EXPECT_TRUE(std::isnan(out[5]));
}

TEST_F(FakeQuantize, TheLastGroupOfARowMayBeShorter) {
  const AffineGrid grid{{ScaleSharing::per_group, 2}, -8, 7};
  const Tensor x = matrix(2, 3, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(forward(x, grid, {1, 2, 4, 8}, {}), (std::vector<float>{1, 2, 4, 4, 4, 8}));
  EXPECT_EQ(grid.sharing.count(2, 3), 4);
}

TEST_F(FakeQuantize, GradientOutsideIsDroppedOrPassed) {
  // round(7.5) = 8 is outside, 7.4 is inside; zero point 0
  const Tensor x = matrix(1, 6, {7.4f, 7.5f, -8.5f, -8.6f, 0.0f, nan});
  const Tensor out_gradient = matrix(1, 6, {1, 2, 3, 4, 5, 6});
  const std::vector<float> scales = {1};
  for (auto [outside, expected] :
       {std::pair{OutsideGradient::clipped, std::vector<float>{11, 10, 13, 10, 15, 10}},
        {OutsideGradient::pass_through, {11, 12, 13, 14, 15, 16}}}) {
    Tensor gradient = matrix(1, 6, {10, 10, 10, 10, 10, 10});
    ops::fake_quantize_backward(context_, x.view<float>(), {{}, -8, 7}, scales, {}, outside,
                                out_gradient.view<float>(), gradient.view<float>());
    EXPECT_EQ(values_of(gradient), expected);
  }
}

TEST_F(AffineParameters, OfEachRule) {
  const Tensor x = matrix(1, 4, {-1.5f, 0.25f, 6.0f, 3.0f});
  struct Case {
    ScaleRule rule;
    float scale;
    int32_t zero, qmin, qmax;
  };
  for (const Case& c : {Case{ScaleRule::narrow, 6.0f / 7, 0, -7, 7},
                        {ScaleRule::wide, 6.0f / 7, 0, -8, 7},
                        {ScaleRule::half_step, 6.0f / 7.5f, 0, -8, 7},
                        {ScaleRule::min_max, 0.5f, 3, 0, 15}}) {
    std::vector<float> scales(1);
    std::vector<int32_t> zeros(1);
    ops::choose_affine_parameters(context_, x.view<float>(), {}, 4, c.rule, scales, zeros);
    EXPECT_EQ(scales[0], c.scale) << scale_rule_name(c.rule);
    EXPECT_EQ(zeros[0], c.zero) << scale_rule_name(c.rule);
    const AffineGrid grid = ops::affine_grid({}, 4, c.rule);
    EXPECT_EQ(grid.qmin, c.qmin) << scale_rule_name(c.rule);
    EXPECT_EQ(grid.qmax, c.qmax) << scale_rule_name(c.rule);
  }
}

TEST_F(AffineParameters, ZeroIsAlwaysOnTheGrid) {
  const Tensor x = matrix(2, 2, {3, 6, -3, -6});  // without 0 inside
  std::vector<float> scales(2);
  std::vector<int32_t> zeros(2);
  ops::choose_affine_parameters(context_, x.view<float>(), {ScaleSharing::per_row}, 4,
                                ScaleRule::min_max, scales, zeros);
  EXPECT_EQ(scales, (std::vector<float>{0.4f, 0.4f}));
  EXPECT_EQ(zeros, (std::vector<int32_t>{0, 15}));
}

TEST_F(AffineParameters, OfZerosAndOfNaN) {
  const Tensor x = matrix(4, 2, {0, -0.0f, 1e-45f, 0, nan, 1, 1, infinity});
  for (ScaleRule rule : {ScaleRule::narrow, ScaleRule::min_max}) {
    std::vector<float> scales(4);
    std::vector<int32_t> zeros(4, -1);
    const ScaleSharing sharing{ScaleSharing::per_row};
    ops::choose_affine_parameters(context_, x.view<float>(), sharing, 4, rule, scales, zeros);
    EXPECT_EQ(scales[0], 1.0f);
    EXPECT_EQ(scales[1], 1.0f);
    EXPECT_TRUE(std::isnan(scales[2]) && std::isnan(scales[3]));
    EXPECT_EQ(zeros, (std::vector<int32_t>{0, 0, 0, 0}));
    const auto out = forward(x, ops::affine_grid(sharing, 4, rule), scales, zeros);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], 0.0f);
    for (int i = 4; i < 8; ++i) EXPECT_TRUE(std::isnan(out[i]));
  }
}

TEST_F(Int4StraightThrough, AZeroGroupGivesZerosAndItsGradientPasses) {
  const Tensor x = matrix(1, 4, {0, 0, 7, -3.4f}), dy = matrix(1, 4, {1, 2, 3, 4});
  Tensor out(DType::f32, {1, 4}), gradient(DType::f32, {1, 4});
  ops::int4_straight_through_forward(context_, x.view<float>(), 2, out.view<float>());
  EXPECT_EQ(values_of(out), (std::vector<float>{0, 0, 7, -3}));
  ops::int4_straight_through_backward(context_, dy.view<float>(), gradient.view<float>());
  EXPECT_EQ(values_of(gradient), values_of(dy));
}

TEST_F(Lsq, TheEndsThemselvesCountAsOutside) {
  const Tensor x = matrix(1, 4, {7, 6.75f, -8, 9}), dy = matrix(1, 4, {1, 2, 4, 8});
  Tensor gradient(DType::f32, {1, 4});
  const std::vector<float> scales = {1};
  std::vector<float> scale_gradient = {100};
  ops::lsq_backward(context_, x.view<float>(), {{}, -8, 7}, scales, ops::LsqCount::scale_elements,
                    dy.view<float>(), gradient.view<float>(), scale_gradient);
  EXPECT_EQ(values_of(gradient), (std::vector<float>{0, 2, 0, 0}));
  // 7 + 2 (7 - 6.75) - 32 + 56 = 31.5
  EXPECT_EQ(scale_gradient[0], 100 + static_cast<float>(1 / std::sqrt(4.0 * 7)) * 31.5f);
}

TEST_F(Lsq, ScaleGradientIsTheDifferenceQuotientOfForwardLessTheStraightThroughTerm) {
  // While no code changes, out = code s has the true derivative code, which a difference quotient
  // of lsq_forward gives. Inside the grid the straight-through rounding adds d(x / s) / ds s = -x /
  // s.
  const int64_t n = 40;
  const float s = 0.5f, h = 0x1p-10f;
  Tensor x = normals(1, n, 1);
  for (int64_t i = 0; i < n; ++i) {  // |x| < 6: x / (s +- h) moves by less than 0.03
    float& value = x.as<float>()[i];
    const float t = value / s;
    if (std::fabs(t - std::floor(t) - 0.5f) < 0.05f) value += 0.1f * s;
  }
  const Tensor dy = normals(1, n, 2);
  const AffineGrid grid{{}, -4, 3};
  const std::vector<float> scales = {s}, above = {s + h}, below = {s - h};
  std::vector<float> scale_gradient = {0};
  Tensor gradient(DType::f32, {1, n}), high(DType::f32, {1, n}), low(DType::f32, {1, n});
  ops::lsq_backward(context_, x.view<float>(), grid, scales, ops::LsqCount::tensor_elements,
                    dy.view<float>(), gradient.view<float>(), scale_gradient);
  ops::lsq_forward(context_, x.view<float>(), grid, above, high.view<float>());
  ops::lsq_forward(context_, x.view<float>(), grid, below, low.view<float>());
  double sum = 0;
  int inside = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double slope = (static_cast<double>(high.as<float>()[i]) - low.as<float>()[i]) / (2 * h);
    const double t = static_cast<double>(x.as<float>()[i]) / s;
    ASSERT_EQ(slope, std::nearbyint(slope));  // code (s +- h) is exact: no code changed
    inside += t > -4 && t < 3;
    sum += dy.as<float>()[i] * (t > -4 && t < 3 ? slope - t : slope);
  }
  EXPECT_GT(inside, 20);
  EXPECT_LT(inside, n);
  // 40 terms below 6 * 4; 8 roundings each, in units of 2^-24; over sqrt(40 * 3) > 10
  EXPECT_NEAR(scale_gradient[0], sum / std::sqrt(n * 3.0), 40 * 24 * 8 * 0x1p-24 / 10);
}

TEST_F(Lsq, AScaleBelowTheLeastCountsAsTheLeast) {
  const Tensor x = matrix(1, 2, {3e-5f, -1}), dy = matrix(1, 2, {1, 1});
  const AffineGrid grid{{}, -8, 7};
  Tensor out(DType::f32, {1, 2}), of_least(DType::f32, {1, 2}), gradient(DType::f32, {1, 2});
  const std::vector<float> tiny = {-1.0f}, least = {ops::lsq_least_scale};
  ops::lsq_forward(context_, x.view<float>(), grid, tiny, out.view<float>());
  ops::lsq_forward(context_, x.view<float>(), grid, least, of_least.view<float>());
  EXPECT_TRUE(same_bits(out, of_least));
  std::vector<float> scale_gradient = {0};
  ops::lsq_backward(context_, x.view<float>(), grid, tiny, ops::LsqCount::scale_elements,
                    dy.view<float>(), gradient.view<float>(), scale_gradient);
  EXPECT_LT(scale_gradient[0], 0);  // -8 of the second: descent makes the scale larger
}

TEST_F(Lsq, FirstScales) {
  const Tensor x = matrix(2, 3, {1, -2, 6, 0, 0, 0});
  const AffineGrid grid{{ScaleSharing::per_row}, -8, 7};
  std::vector<float> scales(2);
  ops::lsq_start_scales(context_, x.view<float>(), grid, ops::LsqStart::mean, scales);
  EXPECT_EQ(scales, (std::vector<float>{2 * 3.0f / std::sqrt(7.0f), ops::lsq_least_scale}));
  ops::lsq_start_scales(context_, x.view<float>(), grid, ops::LsqStart::largest, scales);
  EXPECT_EQ(scales, (std::vector<float>{6.0f / 7, ops::lsq_least_scale}));
}

// Every operator with a sum or an extreme, of one sharing.
std::vector<Tensor> everything(int threads, ScaleSharing sharing) {
  const int64_t m = 61, n = 1003;
  ContextOwner owner(threads, supported_isas().back());
  Context& context = owner.get();
  const Tensor x = normals(m, n, 3), dy = normals(m, n, 4);
  const AffineGrid grid{sharing, -8, 7};
  const int64_t count = sharing.count(m, n);
  std::vector<Tensor> out;
  const auto scales = [&] {
    Tensor& made = out.emplace_back(DType::f32, Shape{count});
    return std::span<float>(made.as<float>(), static_cast<size_t>(count));
  };
  const auto like_x = [&] { return out.emplace_back(DType::f32, Shape{m, n}).view<float>(); };
  out.reserve(8);
  ops::lsq_start_scales(context, x.view<float>(), grid, ops::LsqStart::largest, scales());
  const auto started = scales();
  ops::lsq_start_scales(context, x.view<float>(), grid, ops::LsqStart::mean, started);
  ops::lsq_forward(context, x.view<float>(), grid, started, like_x());
  const auto gradient = like_x();
  ops::lsq_backward(context, x.view<float>(), grid, started, ops::LsqCount::scale_elements,
                    dy.view<float>(), gradient, scales());
  std::vector<int32_t> zeros(static_cast<size_t>(count));
  const auto chosen = scales();
  ops::choose_affine_parameters(context, x.view<float>(), sharing, 4, ScaleRule::min_max, chosen,
                                zeros);
  ops::fake_quantize_forward(context, x.view<float>(),
                             ops::affine_grid(sharing, 4, ScaleRule::min_max), chosen, zeros,
                             like_x());
  return out;
}

TEST_F(FakeQuantize, ThreadsDoNotChangeTheBits) {
  for (ScaleSharing sharing : {ScaleSharing{}, ScaleSharing{ScaleSharing::per_row},
                               ScaleSharing{ScaleSharing::per_group, 128}}) {
    const auto one = everything(1, sharing);
    for (int threads : {2, 3}) {
      const auto many = everything(threads, sharing);
      for (size_t i = 0; i < one.size(); ++i)
        EXPECT_TRUE(same_bits(many[i], one[i])) << sharing.kind << " " << i << " with " << threads;
    }
  }
}

}  // namespace
}  // namespace farthing
