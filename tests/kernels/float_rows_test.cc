// Facts about activations that are rounded to floats: the values of the weight formats with the
// same scales, those of other implementations, and what becomes of hard rows.
#include "kernels/quantize_rows/float_rows.h"

#include <cmath>
#include <limits>

#include "formats/format.h"
#include "io/safetensors/safetensors.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "kernels/row_kernels.h"
#include "tensor/dtype.h"

namespace farthing {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// A row that ends in a canary.
std::vector<float> rounded(Activations activations, const std::vector<float>& x,
                           StaticInput input = {}) {
  std::vector<float> out(x.size() + 1, 12345.0f);
  float_row_rounding(activations)(x.data(), static_cast<int64_t>(x.size()), input, out.data());
  EXPECT_EQ(out.back(), 12345.0f);
  out.pop_back();
  return out;
}

// With a scale over `group` elements; 0: the row.
struct Case {
  Activations activations;
  const char* weights;
  int64_t group;
  float largest, least;  // magnitudes of the element above 0
};
const Case with_scales[] = {{Activations::fp8_e4m3_token, "fp8_e4m3_row", 0, 448, 0x1p-9f},
                            {Activations::fp8_e4m3_g128, "fp8_e4m3_g128", 128, 448, 0x1p-9f},
                            {Activations::mxfp8, "mxfp8", 32, 448, 0x1p-9f},
                            {Activations::mxfp4, "mxfp4", 32, 6, 0.5f}};

TEST(FloatRows, EveryFormatOfFloatsHasAFunctionAndNoOther) {
  for (const Activations activations : all_activations)
    EXPECT_EQ(float_row_rounding(activations) != nullptr,
              activation_codes(activations) == ActivationCodes::floats)
        << activations_name(activations);
}

TEST(FloatRows, AreThoseOfTheWeightFormatWithTheSameScales) {
  for (const Case& c : with_scales) {
    const Format& format = *find_format(c.weights);
    for (const int64_t k : row_lengths()) {
      for (const auto& x : {random_row(k, 1), random_row(k, 2, 1e-38f), random_row(k, 3, 1e-43f),
                            random_row(k, 4, 1e37f), hard_row(k, 5, false)}) {
        if (!std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); })) continue;
        QuantizedTensor q = QuantizedTensor::allocate(format, 1, k);
        const auto rules = format.scale_rules;
        q.encode(x.data(), k, rules.empty() ? ScaleRule::half_step : rules.front());
        const Tensor expected = q.decode();
        EXPECT_TRUE(
            same_bits(rounded(c.activations, x), {expected.as<float>(), expected.as<float>() + k}))
            << c.weights << " " << k;
      }
    }
  }
}

TEST(FloatRows, Bf16IsTheNearestEvenAndKeepsWhatIsNotFinite) {
  const auto out = rounded(Activations::bf16, {1.0f + 0x1p-8f, 1.0f + 0x1.8p-7f, -0.0f, 0x1p-149f,
                                               3.4e38f, -infinity, NAN});
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], 1.0f + 0x1p-6f);
  EXPECT_TRUE(out[2] == 0 && std::signbit(out[2]));
  EXPECT_EQ(out[3], 0.0f);  // the least bf16 is 2^-133
  EXPECT_EQ(out[4], infinity);
  EXPECT_EQ(out[5], -infinity);
  EXPECT_TRUE(std::isnan(out[6]));
}

TEST(FloatRows, ANonfiniteNumberMakesItsGroupNanAndNoOther) {
  for (const Case& c : with_scales) {
    const int64_t k = 300, group = c.group == 0 ? k : c.group;
    for (const float bad : {infinity, -infinity, NAN}) {
      for (const int64_t at : {0, 31, 128, 290, 299}) {
        auto x = random_row(k, 1);
        x[at] = bad;
        const auto out = rounded(c.activations, x);
        for (int64_t i = 0; i < k; ++i)
          EXPECT_EQ(std::isnan(out[i]), i / group == at / group) << c.weights << " " << i;
      }
    }
  }
}

TEST(FloatRows, ARowOfZerosStaysZeros) {
  for (const Case& c : with_scales)
    for (const float zero : {0.0f, -0.0f})
      for (const float value : rounded(c.activations, std::vector<float>(200, zero)))
        EXPECT_TRUE(value == 0 && std::signbit(value) == std::signbit(zero)) << c.weights;
}

// A last block of one element has a scale of its own.
TEST(FloatRows, AShorterLastGroupHasItsOwnScale) {
  for (const Case& c : with_scales) {
    if (c.group == 0) continue;
    std::vector<float> x(static_cast<size_t>(c.group) + 1, 1000.0f);
    x.back() = 0.0625f;
    EXPECT_EQ(rounded(c.activations, x).back(), 0.0625f) << c.weights;
  }
}

// An fp8 scale maps the largest element to 448, exactly here; what is below half the least element
// is gone.
TEST(FloatRows, ATokensScaleIsThatOfItsLargestElement) {
  const auto out = rounded(Activations::fp8_e4m3_token, {-896.0f, 2.0f, 0x1p-8f, 0x1p-9f, 33.0f});
  EXPECT_EQ(out, (std::vector<float>{-896.0f, 2.0f, 0x1p-8f, 0.0f, 32.0f}));
}

// floor(log2 7.9) gives the scale 1: beyond 6 the element of 4 bits ends.
TEST(FloatRows, WhatLiesBeyondTheLargestElementSaturates) {
  std::vector<float> x(32, 0.0f);
  x[3] = -7.9f;
  x[4] = 5.0f;  // a tie, to the even 4
  x[5] = 0.25f;
  const auto out = rounded(Activations::mxfp4, x);
  EXPECT_EQ(out[3], -6.0f);
  EXPECT_EQ(out[4], 4.0f);
  EXPECT_EQ(out[5], 0.0f);
  x[3] = 511.0f;
  EXPECT_EQ(rounded(Activations::mxfp8, x)[3], 448.0f);
}

TEST(FloatRows, SubnormalRowsKeepWhatTheScaleCanHold) {
  std::vector<float> x(32, 0x1p-149f);
  x[0] = 0x1p-130f;
  // The least scale is 2^-127: 2^-130 is an eighth of it, 2^-149 below half the least element.
  const auto wide = rounded(Activations::mxfp8, x);
  EXPECT_EQ(wide[0], 0x1p-130f);
  EXPECT_EQ(wide[1], 0.0f);
  EXPECT_EQ(rounded(Activations::mxfp4, x)[0], 0.0f);
  // amax / 448 rounds to zero: the row is zeros.
  EXPECT_EQ(rounded(Activations::fp8_e4m3_token, std::vector<float>(8, 0x1p-147f))[0], 0.0f);
}

// The tensor scale that the weight format chooses for a row is given to the activation format.
TEST(FloatRows, Nvfp4IsTheWeightFormatWithTheGivenTensorScale) {
  const Format& format = *find_format("nvfp4");
  for (const int64_t k : row_lengths()) {
    for (const auto& x : {random_row(k, 1), random_row(k, 2, 1e-38f), random_row(k, 3, 1e-43f),
                          random_row(k, 4, 1e37f), hard_row(k, 5, false)}) {
      QuantizedTensor q = QuantizedTensor::allocate(format, 1, k);
      q.encode(x.data(), k, ScaleRule::half_step);
      const Tensor expected = q.decode();
      EXPECT_TRUE(same_bits(rounded(Activations::nvfp4, x, {q.planes[2].as<float>()[0], 0}),
                            {expected.as<float>(), expected.as<float>() + k}))
          << k;
    }
  }
}

TEST(FloatRows, StaticFormatsSaturateBeyondWhatWasCalibrated) {
  EXPECT_EQ(rounded(Activations::fp8_e4m3_static, {500.0f, -1e38f, 18.0f, 224.0f}, {0.5f, 0}),
            (std::vector<float>{224.0f, -224.0f, 18.0f, 224.0f}));
  // codes -128 .. 127 less a zero of 100: -228 .. 27
  EXPECT_EQ(
      rounded(Activations::int8_static_asym, {1e38f, -1e38f, 0.25f, -0.75f, 13.25f}, {0.5f, 100}),
      (std::vector<float>{13.5f, -114.0f, 0.0f, -1.0f, 13.0f}));
  // block scales end at 448, elements at 6
  EXPECT_EQ(rounded(Activations::nvfp4, {1e6f, -3.0f}, {1.0f / 448, 0})[0], 6.0f);
}

TEST(FloatRows, ANonfiniteNumberMakesARowOfAStaticScaleNanAndABlockOfNvfp4) {
  for (const Activations activations :
       {Activations::int8_static_asym, Activations::fp8_e4m3_static, Activations::nvfp4}) {
    for (const float bad : {infinity, -infinity, NAN}) {
      auto x = random_row(40, 1);
      x[17] = bad;
      const auto out = rounded(activations, x, {0.02f, 0});
      for (int64_t i = 0; i < 40; ++i)
        EXPECT_EQ(std::isnan(out[i]), activations != Activations::nvfp4 || i / 16 == 1)
            << activations_name(activations) << " " << i;
    }
  }
}

// Vectors of ml_dtypes and numpy: tests/kernels/data/make_golden_activations.py.
TEST(FloatRows, AreThoseOfOtherImplementations) {
  const auto file = SafetensorsFile::open(FARTHING_SOURCE_DIR
                                          "/tests/kernels/data/golden_activations.safetensors")
                        .value();
  const Tensor x = file.tensor("x").value();
  const int64_t m = x.shape()[0], k = x.shape()[1], blocks = blocks_of_32(k);
  for (const Activations activations : all_activations) {
    if (activations == Activations::f32 || !batch_invariant(activations)) continue;
    if (has_outliers(activations)) continue;  // tests/ops/outliers_test.cc
    const std::string name(activations_name(activations));
    const Tensor expected = file.tensor(name).value();
    StaticInput input;
    if (is_static(activations)) input.scale = file.tensor(name + ".scale").value().as<float>()[0];
    if (activations_info(activations).has_zero_point)
      input.zero = file.tensor(name + ".zero").value().as<int8_t>()[0];
    for (int64_t t = 0; t < m; ++t) {
      const float* row = x.as<float>() + t * k;
      std::vector<float> out;
      if (const QuantizeRow round = quantize_rows_kernels().front()->of(activations)) {
        std::vector<int8_t> codes(blocks * 32);
        std::vector<float> scales(blocks);
        std::vector<int32_t> sums(blocks);
        round(row, k, {{}, input}, codes.data(), scales.data(), sums.data());
        for (int64_t i = 0; i < k; ++i)
          out.push_back(static_cast<float>(codes[i]) * scales[i / 32]);
      } else {
        out = rounded(activations, {row, row + k}, input);
      }
      EXPECT_TRUE(
          same_bits(out, {expected.as<float>() + t * k, expected.as<float>() + (t + 1) * k}))
          << name << " row " << t;
    }
  }
}

}  // namespace
}  // namespace farthing
