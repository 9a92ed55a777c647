// How masters become codes while scales are chosen, kept or learned, and how gradients come back.
#include "train/weight_rounding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/cpu.h"
#include "base/random.h"

namespace farthing {
namespace {

constexpr int64_t n = 5, k = 80;  // the last group of 32 is shorter

std::shared_ptr<Parameter> weight(const std::string& scheme) {
  auto out = std::make_shared<Parameter>(Parameter{.name = "w",
                                                   .value = Tensor(DType::f32, {n, k}),
                                                   .gradient = Tensor(DType::f32, {n, k}),
                                                   .scheme = parse_scheme(scheme).value()});
  if (!out->scheme.weights->scale_rules.empty()) out->rule = out->scheme.weights->scale_rules[0];
  for (int64_t i = 0; i < n * k; ++i) {
    out->value.as<float>()[i] = random_normal(5, 1, static_cast<uint64_t>(i));
    out->gradient.as<float>()[i] = random_normal(5, 2, static_cast<uint64_t>(i));
  }
  return out;
}

QuantizedTensor encoded(Context& context, const WeightRounding& rounding, const Parameter& w) {
  auto out = QuantizedTensor::allocate(*w.scheme.weights, n, k);
  const EncodeReport report = rounding.encode(context, out);
  EXPECT_EQ(report.nonfinite + report.overflowed_scales, 0);
  return out;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

double squared_error(const QuantizedTensor& q, const Parameter& w) {
  const Tensor decoded = q.decode();
  double sum = 0;
  for (int64_t i = 0; i < n * k; ++i)
    sum += std::pow(static_cast<double>(decoded.as<float>()[i]) - w.value.as<float>()[i], 2);
  return sum;
}

class Rounding : public ::testing::Test {
 protected:
  ContextOwner owner_{2, choose_isa().value()};
  Context& context_ = owner_.get();
};

TEST_F(Rounding, ScalesThatBeginWithTheRuleGiveTheRulesCodes) {
  for (const char* name : {"int4_g32", "int4_g32_narrow", "int3_g128", "int8_row"}) {
    const auto w = weight(name);
    const WeightRounding dynamic(context_, w, {});
    const WeightRounding fixed(context_, w, {.scales = ScaleTraining::fixed});
    const WeightRounding learned(context_, w, {.scales = ScaleTraining::learned});
    const auto a = encoded(context_, dynamic, *w), b = encoded(context_, fixed, *w),
               c = encoded(context_, learned, *w);
    for (size_t i = 0; i < a.planes.size(); ++i) {
      EXPECT_TRUE(same_bits(a.planes[i], b.planes[i])) << name;
      EXPECT_TRUE(same_bits(a.planes[i], c.planes[i])) << name;
    }
  }
}

TEST_F(Rounding, FixedScalesStayWhenTheWeightsGrow) {
  const auto w = weight("int4_g32");
  const WeightRounding fixed(context_, w, {.scales = ScaleTraining::fixed});
  const auto before = encoded(context_, fixed, *w);
  for (int64_t i = 0; i < n * k; ++i) w->value.as<float>()[i] *= 3;
  const auto after = encoded(context_, fixed, *w);
  EXPECT_TRUE(same_bits(before.planes[1], after.planes[1]));
  EXPECT_FALSE(same_bits(before.planes[0], after.planes[0]));
}

TEST_F(Rounding, LeastSquaresScalesHaveTheSmallerError) {
  const auto w = weight("int3_g128");
  const WeightRounding rule(context_, w, {.scales = ScaleTraining::fixed});
  const WeightRounding least(context_, w,
                             {.scales = ScaleTraining::fixed, .start = ScaleStart::least_squares});
  EXPECT_LT(squared_error(encoded(context_, least, *w), *w),
            squared_error(encoded(context_, rule, *w), *w));
}

TEST_F(Rounding, LearnedCodesDecodeToWhatLsqForwardComputes) {
  const auto w = weight("int4_g32_narrow");
  const WeightRounding learned(context_, w,
                               {.scales = ScaleTraining::learned, .start = ScaleStart::mean});
  const auto q = encoded(context_, learned, *w);
  // the stored scales, f16
  std::vector<float> scales;
  for (int64_t i = 0; i < q.planes[1].shape().elements(); ++i)
    scales.push_back(f32_from_f16(std::as_const(q.planes[1]).as<uint16_t>()[i]));
  const auto grid = ops::affine_grid({ops::ScaleSharing::per_group, 32}, 4, ScaleRule::narrow);
  Tensor out(DType::f32, {n, k});
  ops::lsq_forward(context_, w->value.view<float>(), grid, scales, out.view<float>());
  EXPECT_TRUE(same_bits(out, q.decode()));
}

TEST_F(Rounding, ALearnedScaleGetsLsqsGradientAndTheWeightsAreClipped) {
  const auto w = weight("int4_g32_narrow");
  const WeightRounding learned(context_, w, {.scales = ScaleTraining::learned});
  Parameter& scales = *learned.learned_scales();
  for (int64_t i = 0; i < scales.value.shape().elements(); ++i)
    scales.value.as<float>()[i] *= 0.5f;  // so that some weights lie outside
  const auto q = encoded(context_, learned, *w);
  std::vector<float> given(w->gradient.as<float>(), w->gradient.as<float>() + n * k);
  learned.pass_gradient(context_, q);
  const Tensor decoded = q.decode();
  int outside = 0;
  for (int64_t row = 0; row < n; ++row)
    for (int64_t g = 0; g < 3; ++g) {
      const int64_t end = std::min<int64_t>(k, 32 * g + 32);
      const float s = f32_from_f16(std::as_const(q.planes[1]).as<uint16_t>()[row * 3 + g]);
      double sum = 0, size = 0;
      for (int64_t i = 32 * g; i < end; ++i) {
        const int64_t at = row * k + i;
        const double t = static_cast<double>(w->value.as<float>()[at]) / s, dy = given[at];
        const bool inside = t > -7 && t < 7;
        outside += !inside;
        const double d = inside ? std::nearbyint(t) - t : t < 0 ? -7 : 7;
        sum += dy * d;
        size += std::fabs(dy * d) + std::fabs(dy);
        EXPECT_EQ(w->gradient.as<float>()[at], inside ? given[at] : 0.0f);
      }
      const double factor = 1 / std::sqrt(static_cast<double>(end - 32 * g) * 7);
      // a quotient rounded at a size of at most 7, a product, 2 + 4 additions, the factor
      EXPECT_NEAR(scales.gradient.as<float>()[row * 3 + g], factor * sum,
                  factor * size * 12 * 0x1p-24);
    }
  EXPECT_GT(outside, 0);
}

TEST_F(Rounding, AClippedGradientIsZeroWhereTheGridEnds) {
  const auto w = weight("int4_g32");  // amax / 7.5: a positive extreme lies outside
  const WeightRounding clipped(context_, w, {.outside = ops::OutsideGradient::clipped});
  const auto q = encoded(context_, clipped, *w);
  std::vector<float> given(w->gradient.as<float>(), w->gradient.as<float>() + n * k);
  clipped.pass_gradient(context_, q);
  const Tensor decoded = q.decode();
  int zeros = 0;
  for (int64_t i = 0; i < n * k; ++i) {
    const float got = w->gradient.as<float>()[i];
    EXPECT_TRUE(got == given[i] || got == 0);
    if (got == 0) {
      ++zeros;
      const float s =
          f32_from_f16(std::as_const(q.planes[1]).as<uint16_t>()[i / k * 3 + i % k / 32]);
      EXPECT_EQ(decoded.as<float>()[i], 7 * s);
    }
  }
  EXPECT_GT(zeros, 0);
}

TEST_F(Rounding, WhatAFormatCannotDoDoesNotApply) {
  EXPECT_FALSE(can_round(*find_format("fp8_e4m3_row"), {.scales = ScaleTraining::learned}));
  EXPECT_FALSE(can_round(*find_format("int4_g32_asym"), {.scales = ScaleTraining::fixed}));
  EXPECT_TRUE(can_round(*find_format("fp8_e4m3_row"), {}));
  const auto w = weight("f16");
  const WeightRounding learned(context_, w, {.scales = ScaleTraining::learned});
  EXPECT_EQ(learned.learned_scales(), nullptr);
}

}  // namespace
}  // namespace farthing
