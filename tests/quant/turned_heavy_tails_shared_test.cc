// What changes weights and inputs together, on real heavy tails: awq, smoothquant and Hadamard
// rotations beat plain rounding in the error of the outputs, each where it is meant for.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/hadamard/hadamard.h"
#include "quant/rescaling/rescaling_method.h"
#include "quant/support/gpt2_layer.h"

namespace farthing {
namespace {

constexpr int64_t n = Gpt2Layer::n, k = Gpt2Layer::k, tokens = 256;

Tensor copy_of(const Tensor& from, int64_t rows) {
  Tensor out(DType::f32, {rows, k});
  std::copy_n(from.as<float>(), rows * k, out.as<float>());
  return out;
}

Tensor rounded(const Tensor& weight, const Format& format) {
  QuantizedTensor q = QuantizedTensor::allocate(format, n, k);
  q.encode(weight.as<float>(), k, rule_for({}, format));
  return q.decode();
}

// Each token to int8 under its own scale.
void round_tokens(Tensor& x) {
  for (int64_t t = 0; t < tokens; ++t) {
    float* row = x.as<float>() + t * k;
    float largest = 0;
    for (int64_t i = 0; i < k; ++i) largest = std::max(largest, std::fabs(row[i]));
    for (int64_t i = 0; i < k; ++i) row[i] = std::nearbyint(row[i] / largest * 127) * largest / 127;
  }
}

std::vector<double> outputs(const Tensor& x, const Tensor& weight) {
  std::vector<double> out(static_cast<size_t>(tokens * n));
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t o = 0; o < n; ++o)
      for (int64_t i = 0; i < k; ++i)
        out[static_cast<size_t>(t * n + o)] +=
            static_cast<double>(x.as<float>()[t * k + i]) * weight.as<float>()[o * k + i];
  return out;
}

struct Pair {
  Tensor x, weight;  // x W^T are the layer's outputs
};

Pair plain(const Gpt2Layer& layer) { return {copy_of(layer.x, tokens), copy_of(layer.weight, n)}; }

Pair rescaled(const Gpt2Layer& layer, const std::vector<float>& factors) {
  Pair out = plain(layer);
  for (int64_t i = 0; i < tokens * k; ++i)
    out.x.as<float>()[i] /= factors[static_cast<size_t>(i % k)];
  for (int64_t i = 0; i < n * k; ++i)
    out.weight.as<float>()[i] *= factors[static_cast<size_t>(i % k)];
  return out;
}

Pair turned(Context& context, const Gpt2Layer& layer) {
  Pair out = plain(layer);
  const ops::HadamardMatrix& h = *ops::HadamardMatrix::find(k);
  ops::hadamard_forward(context, h, out.x.view<float>());
  ops::hadamard_forward(context, h, out.weight.view<float>());
  return out;
}

// Sum of squares of what rounding changes of the outputs, over that of the outputs.
double error(const Gpt2Layer& layer, Pair pair, const Scheme& scheme) {
  pair.weight = rounded(pair.weight, *scheme.weights);
  if (scheme.activations == Activations::int8_token) round_tokens(pair.x);
  const auto exact = outputs(layer.x, layer.weight), got = outputs(pair.x, pair.weight);
  double misses = 0, squares = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    misses += (got[i] - exact[i]) * (got[i] - exact[i]);
    squares += exact[i] * exact[i];
  }
  return misses / squares;
}

// Of every column of the layer.
std::vector<float> factors(Context& context, const Gpt2Layer& layer, std::string_view method,
                           const Scheme& scheme) {
  Rescaling channels{.readers = {layer.spec}, .channel = {}, .giver = {}, .rows = {}};
  for (int64_t c = 0; c < k; ++c) channels.channel.push_back(c);
  channels.rows = channels.channel;
  QuantizeOptions options;
  options.scheme = scheme;
  options.method = find_algorithm("rtn");
  RescalingInput input{channels, {}, options};
  input.readers.push_back({layer.spec, copy_of(layer.weight, n), &layer.inputs,
                           choice_for(options, layer.spec, false)});
  return find_rescaling(method)->factors(context, input).of_channels;
}

class OnHeavyTails : public ::testing::TestWithParam<const char*> {
 protected:
  void expect_less_error(std::string_view rescaling) {
    for (const char* name : gpt2_layers) {
      const Gpt2Layer layer(owner_.get(), name);
      const auto found = factors(owner_.get(), layer, rescaling, scheme_);
      ASSERT_EQ(found.size(), static_cast<size_t>(k)) << name;
      EXPECT_LT(error(layer, rescaled(layer, found), scheme_), error(layer, plain(layer), scheme_))
          << name;
    }
  }
  ContextOwner owner_{2, supported_isas().back()};
  Scheme scheme_ = parse_scheme(GetParam()).value();
};

using AwqOnHeavyTails = OnHeavyTails;
TEST_P(AwqOnHeavyTails, BeatsRounding) { expect_less_error("awq"); }
INSTANTIATE_TEST_SUITE_P(Formats, AwqOnHeavyTails,
                         ::testing::Values("int4_g32", "int4_g128_asym", "int3_g64_asym", "mxfp4"),
                         [](const auto& info) { return std::string(info.param); });

using SmoothquantOnHeavyTails = OnHeavyTails;
TEST_P(SmoothquantOnHeavyTails, BeatsRoundingOfInputsAndWeights) {
  expect_less_error("smoothquant");
}
INSTANTIATE_TEST_SUITE_P(Formats, SmoothquantOnHeavyTails, ::testing::Values("int8_row@int8_token"),
                         [](const auto&) { return std::string("W8A8"); });

using HadamardOnHeavyTails = OnHeavyTails;
TEST_P(HadamardOnHeavyTails, BeatsRounding) {
  for (const char* name : gpt2_layers) {
    const Gpt2Layer layer(owner_.get(), name);
    EXPECT_LT(error(layer, turned(owner_.get(), layer), scheme_),
              error(layer, plain(layer), scheme_))
        << name;
  }
}
INSTANTIATE_TEST_SUITE_P(Formats, HadamardOnHeavyTails,
                         ::testing::Values("int4_row@int8_token", "int8_row@int8_token"),
                         [](const auto& info) { return std::string(info.param).substr(0, 8); });

}  // namespace
}  // namespace farthing
