// Every method on weights with real heavy tails, GPT-2's attention outputs (kurtosis 153 and 193):
// each beats rounding to nearest in its own objective.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "base/random.h"
#include "io/safetensors/safetensors.h"
#include "quant/quantize_linear.h"
#include "quant/rescaling/rescaling_method.h"

namespace farthing {
namespace {

constexpr int64_t k = 768, rows = 128, tokens = 1536;

struct Layer {
  LinearSpec spec{"proj.weight", rows, k};
  StoredLinear stored;
  InputStatistics inputs{k, true};

  Layer(Context& context, const std::string& name) {
    const char* shared = std::getenv("FARTHING_SHARED");
    const std::string folder = shared != nullptr ? shared : FARTHING_SOURCE_DIR "/../shared";
    const auto file = SafetensorsFile::open(folder + "/tensors/gpt2-attention.safetensors").value();
    const Tensor whole = file.tensor(name).value();
    Tensor weight(DType::f32, {rows, k});
    std::copy_n(whole.as<float>(), rows * k, weight.as<float>());
    stored.weight = {find_format("f32"), rows, k, DType::f32, {std::move(weight)}};
    // Neighbours are correlated, and every fortieth column is large.
    Tensor x(DType::f32, {tokens, k});
    for (int64_t t = 0; t < tokens; ++t) {
      float before = 0;
      for (int64_t i = 0; i < k; ++i) {
        before =
            0.8f * before + random_normal(1, static_cast<uint64_t>(t), static_cast<uint64_t>(i));
        x.as<float>()[t * k + i] = before * (i % 40 == 3 ? 8.0f : 1.0f);
      }
    }
    inputs.add(context, std::as_const(x).view<float>());
    inputs.finish();
  }
  LayerReport quantize(Context& context, std::string_view format, std::string_view method,
                       const AlgorithmOptions& how = {}) const {
    QuantizeOptions options;
    options.algorithm = how;
    options.scheme = parse_scheme(format).value();
    options.method = find_algorithm(method);
    return quantize_linear(context, spec, stored, {options.scheme, options.method}, options,
                           &inputs)
        .value()
        .report;
  }
};

class HeavyTails : public ::testing::TestWithParam<std::string> {};

TEST_P(HeavyTails, EveryMethodBeatsRounding) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* name : {"gpt2.layer2.proj.weight", "gpt2.layer12.proj.weight"}) {
    const Layer layer(owner.get(), name);
    const LayerReport rounded = layer.quantize(owner.get(), GetParam(), "rtn");
    EXPECT_LT(layer.quantize(owner.get(), GetParam(), "mse").relative_squared_error,
              1.001 * rounded.relative_squared_error);
    EXPECT_LT(layer.quantize(owner.get(), GetParam(), "imatrix").output_error,
              rounded.output_error);
    EXPECT_LT(layer.quantize(owner.get(), GetParam(), "gptq").output_error,
              0.8 * rounded.output_error);
    Rescaling channels{.readers = {layer.spec}, .channel = {}, .giver = {}, .rows = {}};
    for (int64_t c = 0; c < k; ++c) channels.channel.push_back(c), channels.rows.push_back(c);
    QuantizeOptions options;
    options.scheme = parse_scheme(GetParam()).value();
    options.method = find_algorithm("rtn");
    RescalingInput input{channels, {}, options};
    input.readers.push_back({layer.spec, layer.stored.weight.decode(), &layer.inputs,
                             choice_for(options, layer.spec, false)});
    // it keeps the identity where no exponent has a smaller error
    EXPECT_FALSE(find_rescaling("awq")->factors(owner.get(), input).of_channels.empty());
  }
}

// With fewer bits than the integers that it is compared with have, in the objective of all three.
TEST(SpqrOnHeavyTails, BeatsGptqAndRoundingOfAsManyBits) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* name : {"gpt2.layer2.proj.weight", "gpt2.layer12.proj.weight"}) {
    const Layer layer(owner.get(), name);
    for (const auto& [ours, theirs] :
         {std::pair{"spqr3_g16", "int3_g16_asym"}, {"spqr4_g16", "int4_g16_asym"}}) {
      const LayerReport outliers =
                            layer.quantize(owner.get(), ours, "spqr", {.outlier_threshold = 0.4f}),
                        integers = layer.quantize(owner.get(), theirs, "gptq");
      EXPECT_EQ(outliers.fallback, "");
      EXPECT_LT(outliers.bits_per_weight, integers.bits_per_weight) << name << " " << ours;
      EXPECT_LT(outliers.output_error, integers.output_error) << name << " " << ours;
      EXPECT_LT(outliers.output_error, layer.quantize(owner.get(), theirs, "rtn").output_error);
      EXPECT_LT(outliers.output_error, layer.quantize(owner.get(), ours, "rtn").output_error);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, HeavyTails,
                         ::testing::Values("int4_g32", "int4_g128_asym", "int3_g64_asym", "nf4",
                                           "mxfp4", "nvfp4", "q4_0", "q4_k", "iq4_xs"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
