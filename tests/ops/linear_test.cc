// Facts about the linear operator: each weight gets the input as its own scheme rounds it, and
// neither threads, the batch nor the instruction set change a row's bits.
#include "ops/linear/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/random.h"
#include "ops/linear/encode.h"

namespace farthing {
namespace {

constexpr int64_t k = 300, n = 40, m = 5;

Tensor normals(int64_t rows, int64_t columns, uint64_t stream) {
  Tensor out(DType::f32, {rows, columns});
  for (int64_t i = 0; i < rows * columns; ++i)
    out.as<float>()[i] = random_normal(5, stream, static_cast<uint64_t>(i));
  return out;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

QuantizedTensor encoded(Context& context, std::string_view format) {
  const Tensor weight = normals(n, k, 1);
  QuantizedTensor out = QuantizedTensor::allocate(*find_format(format), n, k);
  const auto rules = out.format->scale_rules;
  ops::encode_weight(context, weight.view<float>(),
                     rules.empty() ? ScaleRule::half_step : rules.front(), out);
  return out;
}

// Of normal inputs a static scale clips a few.
InputRounding rounding_of(Activations activations) {
  if (has_outliers(activations)) {
    StaticInput input;
    if (is_static(activations)) {
      input.outliers = OutlierColumns({3, 37, 299});
    } else {
      input.outlier_threshold = 2.5f;  // 1.2 % of normal elements reach it
    }
    return {activations, input};
  }
  if (!is_static(activations)) return activations;
  return {activations, static_input(activations, {.low = -2.0f, .high = 2.5f})};
}

PackedWeight packed(Context& context, std::string_view scheme) {
  const Scheme parsed = parse_scheme(scheme).value();
  return ops::pack_weight(context, encoded(context, parsed.weights->name),
                          rounding_of(parsed.activations));
}

Tensor product(Context& context, const Tensor& x, std::string_view scheme) {
  const PackedWeight w = packed(context, scheme);
  Tensor y(DType::f32, {x.shape()[0], n});
  ops::linear_forward(context, x.view<float>(), w, y.view<float>());
  return y;
}

const std::vector<std::string> schemes = {"int4_g128@f32",
                                          "int4_g128@int8_block32",
                                          "int4_g128@int8_token",
                                          "int8_row@int8_token",
                                          "int8_row@int8_tensor",
                                          "fp8_e4m3_row@f32",
                                          "fp8_e4m3_row@fp8_e4m3_token",
                                          "nf4@int8_token",
                                          "int4_g16@int8_block256",
                                          "int4_g128@bf16",
                                          "f32@mxfp8",
                                          "int4_g128@int8_static",
                                          "int4_g16@int8_static",
                                          "int4_g128@int8_static_asym",
                                          "fp8_e4m3_row@fp8_e4m3_static",
                                          "nvfp4@nvfp4",
                                          "mxfp4@mxfp4",
                                          "int8_row@int8_outliers",
                                          "int4_g128_asym@int8_outliers_live",
                                          "nf4@int8_outliers",
                                          "f32@int8_outliers_live"};

TEST(Linear, WeightsOfOneInputMayDifferInWhatItIsRoundedTo) {
  ContextOwner owner(2, supported_isas().back());
  const Tensor x = normals(m, k, 2);
  std::vector<PackedWeight> weights;
  std::vector<Tensor> outputs;
  for (const std::string& scheme : schemes) {
    weights.push_back(packed(owner.get(), scheme));
    outputs.emplace_back(DType::f32, Shape{m, n});
  }
  std::vector<ops::LinearOutput> together;
  for (size_t i = 0; i < schemes.size(); ++i)
    together.push_back({&weights[i], outputs[i].view<float>()});
  ops::linear_forward(owner.get(), x.view<float>(), together);
  for (size_t i = 0; i < schemes.size(); ++i)
    EXPECT_TRUE(same_bits(outputs[i], product(owner.get(), x, schemes[i]))) << schemes[i];
  for (size_t i = 1; i < 3; ++i) EXPECT_FALSE(same_bits(outputs[i], outputs[i - 1])) << i;
}

TEST(Linear, AWeightThatIsPackedDecodedGivesTheSameBits) {
  ContextOwner owner(2, supported_isas().back());
  const Tensor x = normals(m, k, 2);
  bool any_decoded = false;
  for (const std::string& scheme : schemes) {
    const Scheme parsed = parse_scheme(scheme).value();
    const PackedWeight w = ops::pack_weight_decoded(
        owner.get(), encoded(owner.get(), parsed.weights->name), rounding_of(parsed.activations));
    any_decoded = any_decoded || w.scheme.weights != parsed.weights;
    Tensor y(DType::f32, {m, n});
    ops::linear_forward(owner.get(), x.view<float>(), w, y.view<float>());
    EXPECT_TRUE(same_bits(y, product(owner.get(), x, scheme))) << scheme;
  }
  EXPECT_TRUE(any_decoded);
}

TEST(Linear, NeitherThreadsNorTheInstructionSetChangeBits) {
  const Tensor x = normals(m, k, 2);
  for (const std::string& scheme : schemes) {
    ContextOwner portable(1, Isa::portable);
    const Tensor expected = product(portable.get(), x, scheme);
    for (const Isa isa : supported_isas()) {
      ContextOwner owner(3, isa);
      EXPECT_TRUE(same_bits(product(owner.get(), x, scheme), expected)) << scheme;
    }
  }
}

// Codes of the weight times codes of the token are whole numbers; the one rounding of a token's
// scale is the same in every block.
TEST(Linear, ATokenWithALargeElementLosesItsSmallOnes) {
  ContextOwner owner(1, supported_isas().back());
  Tensor x(DType::f32, {1, k});
  x.as<float>()[0] = 1.0f;
  x.as<float>()[k - 1] = 1.0f / 300;  // below half a step of 1 / 127
  const Tensor whole = product(owner.get(), x, "int8_row@int8_token");
  x.as<float>()[k - 1] = 0;
  EXPECT_TRUE(same_bits(whole, product(owner.get(), x, "int8_row@int8_token")));
  x.as<float>()[k - 1] = 1.0f / 300;
  EXPECT_FALSE(same_bits(product(owner.get(), x, "int8_row@int8_block32"),
                         product(owner.get(), x, "int8_row@f32")));
}

// With the amax in the last row, on several threads.
TEST(Linear, AScaleOfTheCallIsThatOfTheLargestElementOfAnyRow) {
  ContextOwner owner(3, supported_isas().back());
  Tensor x = normals(m, k, 2);
  x.as<float>()[m * k - 1] = 4000.0f;  // a step of 31.5: all other rows round to nothing
  const Tensor y = product(owner.get(), x, "int8_row@int8_tensor");
  for (int64_t i = 0; i < (m - 1) * n; ++i) EXPECT_EQ(y.as<float>()[i], 0.0f) << i;
  EXPECT_NE(y.as<float>()[m * n - 1], 0.0f);
}

TEST(Linear, ANonfiniteInputMakesItsRowNanAndNoOther) {
  ContextOwner owner(2, supported_isas().back());
  for (const float bad : {std::numeric_limits<float>::infinity(), NAN}) {
    Tensor x = normals(m, k, 2);
    x.as<float>()[2 * k + 37] = bad;
    const Tensor y = product(owner.get(), x, "int4_g128@int8_token");
    for (int64_t i = 0; i < m * n; ++i) EXPECT_EQ(std::isnan(y.as<float>()[i]), i / n == 2) << i;
  }
}

// The identity as weight shows the input: int8 codes become floats for weights off the integer
// grid.
TEST(Linear, AWeightOffTheIntegerGridGetsTheValuesOfInt8Codes) {
  ContextOwner owner(2, supported_isas().back());
  Tensor identity(DType::f32, {k, k});
  for (int64_t i = 0; i < k; ++i) identity.as<float>()[i * k + i] = 1.0f;
  QuantizedTensor stored = QuantizedTensor::allocate(*find_format("f32"), k, k);
  ops::encode_weight(owner.get(), std::as_const(identity).view<float>(), ScaleRule::half_step,
                     stored);
  const PackedWeight w = ops::pack_weight(owner.get(), stored, Activations::int8_token);
  const Tensor x = normals(m, k, 2);
  Tensor y(DType::f32, {m, k});
  ops::linear_forward(owner.get(), x.view<float>(), w, y.view<float>());
  for (int64_t t = 0; t < m; ++t) {
    const float* row = x.as<float>() + t * k;
    float amax = 0;
    for (int64_t i = 0; i < k; ++i) amax = std::max(amax, std::fabs(row[i]));
    for (int64_t i = 0; i < k; ++i)
      EXPECT_EQ(y.as<float>()[t * k + i],
                std::nearbyintf(row[i] * (127.0f / amax)) * (amax / 127.0f))
          << t << " " << i;
  }
}

TEST(Linear, EveryActivationFormatMakesARowWithANanNan) {
  ContextOwner owner(2, supported_isas().back());
  for (const Activations activations : all_activations) {
    if (!batch_invariant(activations)) continue;
    for (const char* weights : {"int8_row", "mxfp4", "f32"}) {
      Tensor x = normals(m, k, 2);
      x.as<float>()[2 * k + 37] = NAN;
      const std::string scheme =
          std::string(weights) + "@" + std::string(activations_name(activations));
      const Tensor y = product(owner.get(), x, scheme);
      for (int64_t i = 0; i < m * n; ++i)
        EXPECT_EQ(std::isnan(y.as<float>()[i]), i / n == 2) << scheme << " " << i;
    }
  }
}

// dW = dy^T x where dy picks one row: the gradient shows what the input was rounded to.
TEST(Linear, TheGradientOfAWeightSeesTheRoundedInput) {
  ContextOwner owner(1, supported_isas().back());
  const QuantizedTensor w = encoded(owner.get(), "int8_row");
  const Tensor x = normals(1, k, 2);
  float amax = 0;
  for (int64_t i = 0; i < k; ++i) amax = std::max(amax, std::fabs(x.as<float>()[i]));
  Tensor dy(DType::f32, {1, n}), dw(DType::f32, {n, k});
  dy.as<float>()[3] = 1.0f;
  const ops::LinearGradient gradient{&w, Activations::int8_token, std::as_const(dy).view<float>(),
                                     dw.view<float>()};
  ops::linear_backward(owner.get(), std::as_const(x).view<float>(), {&gradient, 1}, {});
  for (int64_t i = 0; i < k; ++i) {
    const float code = std::nearbyintf(x.as<float>()[i] * (127.0f / amax));
    EXPECT_EQ(dw.as<float>()[3 * k + i], code * (amax / 127.0f)) << i;
  }
}

TEST(Linear, WeightsOfOneInputMayDifferInTheirStaticScales) {
  ContextOwner owner(1, supported_isas().back());
  const Tensor x = normals(m, k, 2);
  std::vector<PackedWeight> weights;
  for (const float scale : {0.01f, 0.02f, 0.01f})
    weights.push_back(ops::pack_weight(owner.get(), encoded(owner.get(), "int8_row"),
                                       {Activations::int8_static, {scale, 0}}));
  std::vector<Tensor> outputs(3, Tensor());
  std::vector<ops::LinearOutput> together;
  for (size_t i = 0; i < 3; ++i) {
    outputs[i] = Tensor(DType::f32, {m, n});
    together.push_back({&weights[i], outputs[i].view<float>()});
  }
  ops::linear_forward(owner.get(), x.view<float>(), together);
  EXPECT_FALSE(same_bits(outputs[0], outputs[1]));
  EXPECT_TRUE(same_bits(outputs[0], outputs[2]));
  Tensor alone(DType::f32, {m, n});
  ops::linear_forward(owner.get(), x.view<float>(), weights[1], alone.view<float>());
  EXPECT_TRUE(same_bits(alone, outputs[1]));
}

// dx = dy W: where the input was clipped it is 0, if that is asked for, and what it was elsewhere.
TEST(Linear, TheGradientOfClippedInputsIsZeroWhereThatIsAskedFor) {
  ContextOwner owner(2, supported_isas().back());
  const QuantizedTensor w = encoded(owner.get(), "int8_row");
  const Tensor x = normals(m, k, 2), dy = normals(m, n, 4);
  for (const Activations activations : all_activations) {
    const InputRounding rounding = rounding_of(activations);
    Tensor passed(DType::f32, {m, k}), clipped(DType::f32, {m, k});
    for (const bool clips : {false, true}) {
      const ops::LinearGradient gradient{&w, rounding, dy.view<float>(), {}, clips};
      ops::linear_backward(owner.get(), x.view<float>(), {&gradient, 1},
                           (clips ? clipped : passed).view<float>());
    }
    const InputRange range = range_of(rounding);
    int64_t outside = 0;
    for (int64_t i = 0; i < m * k; ++i) {
      const float value = x.as<float>()[i];
      const bool beyond = value < range.low || value > range.high;
      outside += beyond;
      EXPECT_EQ(clipped.as<float>()[i], beyond ? 0 : passed.as<float>()[i]) << i;
    }
    EXPECT_EQ(outside > 0, is_static(activations) && !has_outliers(activations))
        << activations_name(activations);
  }
}

// The same for every format and weights on and off the integer grid: with a weight of ones on one
// input at a time, the product shows what the forward pass took.
TEST(Linear, TheGradientOfAWeightSeesWhatTheForwardPassMultiplied) {
  ContextOwner owner(1, supported_isas().back());
  Tensor identity(DType::f32, {k, k});
  for (int64_t i = 0; i < k; ++i) identity.as<float>()[i * k + i] = 1.0f;
  QuantizedTensor w = QuantizedTensor::allocate(*find_format("f32"), k, k);
  ops::encode_weight(owner.get(), std::as_const(identity).view<float>(), ScaleRule::half_step, w);
  const Tensor x = normals(1, k, 3);
  for (const Activations activations : all_activations) {
    const PackedWeight packed = ops::pack_weight(owner.get(), w, rounding_of(activations));
    Tensor y(DType::f32, {1, k}), dy(DType::f32, {1, k}), dw(DType::f32, {k, k});
    ops::linear_forward(owner.get(), x.view<float>(), packed, y.view<float>());
    dy.as<float>()[5] = 1.0f;
    const ops::LinearGradient gradient{&w, rounding_of(activations),
                                       std::as_const(dy).view<float>(), dw.view<float>()};
    ops::linear_backward(owner.get(), std::as_const(x).view<float>(), {&gradient, 1}, {});
    for (int64_t i = 0; i < k; ++i)
      EXPECT_EQ(dw.as<float>()[5 * k + i], y.as<float>()[i]) << activations_name(activations);
  }
}

}  // namespace
}  // namespace farthing
