// Every method on weights with real heavy tails, GPT-2's attention outputs (kurtosis 153 and 193):
// each beats rounding to nearest in its own objective.
#include <gtest/gtest.h>

#include <cmath>

#include "quant/support/gpt2_layer.h"

namespace farthing {
namespace {

class HeavyTails : public ::testing::TestWithParam<std::string> {};

TEST_P(HeavyTails, EveryMethodBeatsRounding) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* name : gpt2_layers) {
    const Gpt2Layer layer(owner.get(), name);
    const auto with = [&](const char* method) {
      return layer.quantize(owner.get(), GetParam(), method).report;
    };
    const LayerReport rounded = with("rtn");
    EXPECT_LT(with("mse").relative_squared_error, 1.001 * rounded.relative_squared_error);
    EXPECT_LT(with("imatrix").output_error, rounded.output_error);
    EXPECT_LT(with("gptq").output_error, 0.8 * rounded.output_error);
  }
}

// With fewer bits than the integers that it is compared with have, in the objective of all three.
TEST(SpqrOnHeavyTails, BeatsGptqAndRoundingOfAsManyBits) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* name : gpt2_layers) {
    const Gpt2Layer layer(owner.get(), name);
    for (const auto& [ours, theirs] :
         {std::pair{"spqr3_g16", "int3_g16_asym"}, {"spqr4_g16", "int4_g16_asym"}}) {
      const auto with = [&](const char* format, const char* method) {
        return layer.quantize(owner.get(), format, method, {.outlier_threshold = 0.4f}).report;
      };
      const LayerReport outliers = with(ours, "spqr"), integers = with(theirs, "gptq");
      EXPECT_EQ(outliers.fallback, "");
      EXPECT_LT(outliers.bits_per_weight, integers.bits_per_weight) << name << " " << ours;
      EXPECT_LT(outliers.output_error, integers.output_error) << name << " " << ours;
      EXPECT_LT(outliers.output_error, with(theirs, "rtn").output_error);
      EXPECT_LT(outliers.output_error, with(ours, "rtn").output_error);
    }
  }
}

// sum |w' - w|^(3/4): small errors count more than their squares say, large ones less.
double hqq_objective(const Gpt2Layer& layer, const QuantizedLinear& done) {
  const Tensor decoded = done.stored.weight.decode();
  double sum = 0;
  for (int64_t i = 0; i < Gpt2Layer::n * Gpt2Layer::k; ++i)
    sum += std::pow(
        std::fabs(static_cast<double>(decoded.as<float>()[i]) - layer.weight.as<float>()[i]), 0.75);
  return sum;
}

TEST(HqqOnHeavyTails, BeatsRounding) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* name : gpt2_layers) {
    const Gpt2Layer layer(owner.get(), name);
    for (const char* format : {"int4_g64_float_zero", "int3_g64_float_zero"}) {
      const auto with = [&](const char* method) {
        return hqq_objective(layer, layer.quantize(owner.get(), format, method));
      };
      EXPECT_LT(with("hqq"), with("rtn")) << name << " " << format;
    }
  }
}

TEST(Nvfp4OnHeavyTails, TheChoiceOfFourOrSixBeatsSixAlone) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* name : gpt2_layers) {
    const Gpt2Layer layer(owner.get(), name);
    const auto error = [&](const char* format) {
      return layer.quantize(owner.get(), format, "rtn").report.relative_squared_error;
    };
    EXPECT_LT(error("nvfp4_46"), error("nvfp4")) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, HeavyTails,
                         ::testing::Values("int4_g32", "int4_g128_asym", "int3_g64_asym", "nf4",
                                           "mxfp4", "nvfp4", "q4_0", "q4_k", "iq4_xs"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
