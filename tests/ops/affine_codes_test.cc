// Facts about codes of affine grids: rounding, clamping, what has no code.
#include "ops/fake_quantize/affine_codes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "base/random.h"

namespace farthing {
namespace {

using ops::AffineGrid;
using ops::Rounding;
using ops::ScaleSharing;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

class AffineCodes : public ::testing::Test {
 protected:
  std::vector<int32_t> codes(const std::vector<float>& x, const AffineGrid& grid, float scale,
                             int32_t zero, Rounding rounding = Rounding::half_even) {
    const auto n = static_cast<int64_t>(x.size());
    std::vector<int32_t> out(x.size());
    missing_ = ops::affine_quantize(context_, {x.data(), 1, n, n}, grid, {&scale, 1}, {&zero, 1},
                                    rounding, {out.data(), 1, n, n});
    return out;
  }

  ContextOwner owner_{2, supported_isas().back()};
  Context& context_ = owner_.get();
  int64_t missing_ = 0;
};

// By Python's decimal: ROUND_HALF_EVEN, _HALF_UP (away from 0), _FLOOR, _CEILING, _DOWN (toward 0);
// half_up is floor(t + 0.5), exact in doubles.
TEST_F(AffineCodes, EveryWayToRoundIsThatOfPythonsDecimal) {
  const std::vector<float> t = {-2.5f, -1.75f, -1.5f, -0.5f, -0.25f, 0,
                                0.25f, 0.5f,   1.5f,  1.75f, 2.5f};
  const std::map<Rounding, std::vector<int32_t>> expected = {
      {Rounding::half_even, {-2, -2, -2, 0, 0, 0, 0, 0, 2, 2, 2}},
      {Rounding::half_away, {-3, -2, -2, -1, 0, 0, 0, 1, 2, 2, 3}},
      {Rounding::half_up, {-2, -2, -1, 0, 0, 0, 0, 1, 2, 2, 3}},
      {Rounding::down, {-3, -2, -2, -1, -1, 0, 0, 0, 1, 1, 2}},
      {Rounding::up, {-2, -1, -1, 0, 0, 0, 1, 1, 2, 2, 3}},
      {Rounding::toward_zero, {-2, -1, -1, 0, 0, 0, 0, 0, 1, 1, 2}}};
  for (const Rounding rounding : ops::all_roundings)
    EXPECT_EQ(codes(t, {{}, -8, 7}, 1, 0, rounding), expected.at(rounding))
        << ops::rounding_name(rounding);
}

TEST_F(AffineCodes, TheZeroPointIsAddedToTheRoundedQuotient) {
  // round(0.5) + 3 = 3, not round(3.5) = 4
  EXPECT_EQ(codes({0.5f, 0.8f, -1.5f, 6.0f}, {{}, 0, 15}, 1, 3),
            (std::vector<int32_t>{3, 4, 1, 9}));
}

TEST_F(AffineCodes, WhatLiesOutsideGetsTheNearestEndByEveryRounding) {
  for (const Rounding rounding : ops::all_roundings)
    EXPECT_EQ(codes({-9.5f, -1e30f, -infinity, 7.6f, 1e30f, infinity}, {{}, -8, 7}, 1, 0, rounding),
              (std::vector<int32_t>{-8, -8, -8, 7, 7, 7}))
        << ops::rounding_name(rounding);
}

TEST_F(AffineCodes, ANanGetsTheZeroPointAndIsCounted) {
  EXPECT_EQ(codes({nan, 2}, {{}, 0, 15}, 1, 5), (std::vector<int32_t>{5, 7}));
  EXPECT_EQ(missing_, 1);
  EXPECT_EQ(codes({1, 2}, {{}, 0, 15}, nan, 5), (std::vector<int32_t>{5, 5}));
  EXPECT_EQ(missing_, 2);
}

TEST_F(AffineCodes, ValuesOfCodesAreTheBitsOfFakeQuantization) {
  constexpr int64_t m = 7, n = 50;
  const ScaleSharing sharing{ScaleSharing::per_group, 16};
  std::vector<float> x(m * n), direct(x.size()), through(x.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = random_normal(3, 1, i);
  std::vector<float> scales(static_cast<size_t>(sharing.count(m, n)));
  std::vector<int32_t> zeros(scales.size()), codes(x.size());
  const View<const float, 2> view{x.data(), m, n, n};
  ops::choose_affine_parameters(context_, view, sharing, 4, ScaleRule::min_max, scales, zeros);
  const AffineGrid grid = ops::affine_grid(sharing, 4, ScaleRule::min_max);
  ops::fake_quantize_forward(context_, view, grid, scales, zeros, {direct.data(), m, n, n});
  EXPECT_EQ(ops::affine_quantize(context_, view, grid, scales, zeros, Rounding::half_even,
                                 {codes.data(), m, n, n}),
            0);
  ops::affine_dequantize(context_, {codes.data(), m, n, n}, grid, scales, zeros,
                         {through.data(), m, n, n});
  EXPECT_EQ(std::memcmp(direct.data(), through.data(), x.size() * sizeof(float)), 0);
}

TEST_F(AffineCodes, RoundingsAreFoundByTheirNames) {
  for (const Rounding rounding : ops::all_roundings)
    EXPECT_EQ(ops::find_rounding(ops::rounding_name(rounding)), rounding);
  EXPECT_EQ(ops::find_rounding("nearest"), std::nullopt);
}

}  // namespace
}  // namespace farthing
