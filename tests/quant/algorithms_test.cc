// What each algorithm promises on one layer, over the registries.
#include <gtest/gtest.h>

#include <cmath>

#include "formats/outliers.h"
#include "quant/support/heavy_layer.h"

namespace farthing {
namespace {

class OnFormat : public ::testing::TestWithParam<std::string> {
 protected:
  const Format& format() const { return *find_format(GetParam()); }
};

// Its own objective: the outputs' error over the inputs that it saw.
TEST_P(OnFormat, GptqBeatsRoundingAndImatrixInItsObjective) {
  if (format().put_codes == nullptr || has_outliers(format())) return;  // Spqr.OtherMethodsSaySo
  ContextOwner owner(2, supported_isas().back());
  const Layer layer(owner.get(), 48, 256);
  const auto rounded = layer.quantize(owner.get(), format(), "rtn");
  const auto searched = layer.quantize(owner.get(), format(), "imatrix");
  const auto fed_back = layer.quantize(owner.get(), format(), "gptq");
  ASSERT_TRUE(rounded && searched && fed_back);
  EXPECT_EQ(fed_back->report.fallback, "");
  EXPECT_DOUBLE_EQ(rounded->report.output_error, rounded->report.output_error_before);
  EXPECT_LT(fed_back->report.output_error, 0.8 * rounded->report.output_error);
  EXPECT_LT(fed_back->report.output_error, searched->report.output_error);
}

// Their own objectives: the weights' error, and the one in which columns count by their inputs.
TEST_P(OnFormat, SearchedScalesBeatTheRuleInTheirObjective) {
  if (format().search_tile == nullptr || bits_per_weight(format(), 48, 256) > 8) return;
  ContextOwner owner(2, supported_isas().back());
  const Layer layer(owner.get(), 48, 256);
  const auto rounded = layer.quantize(owner.get(), format(), "rtn");
  const auto searched = layer.quantize(owner.get(), format(), "mse");
  const auto weighted = layer.quantize(owner.get(), format(), "imatrix");
  ASSERT_TRUE(rounded && searched && weighted);
  // GGUF's searching types have an objective of their own when they round
  EXPECT_LT(searched->report.relative_squared_error,
            1.001 * rounded->report.relative_squared_error);
  const auto error = [&](const QuantizedLinear& of) {
    const auto importance = layer.inputs.importance();
    const Tensor decoded = of.stored.weight.decode();
    double sum = 0;
    for (int64_t i = 0; i < 48 * 256; ++i) {
      const double miss = static_cast<double>(decoded.as<float>()[i]) -
                          layer.stored.weight.planes[0].as<float>()[i];
      sum += static_cast<double>(importance[static_cast<size_t>(i % 256)]) * miss * miss;
    }
    return sum;
  };
  EXPECT_LT(error(*weighted), error(*rounded));
  EXPECT_LT(error(*weighted), error(*searched));
}

TEST_P(OnFormat, EveryAlgorithmGivesTheSameBytesForAnyThreadsAndInstructionSet) {
  for (const AlgorithmInfo& algorithm : all_algorithms()) {
    std::vector<std::byte> first;
    for (const Isa isa : supported_isas()) {
      for (const int threads : {1, 2}) {
        ContextOwner owner(threads, isa);
        const Layer layer(owner.get(), 40, 256);
        const auto done = layer.quantize(owner.get(), format(), algorithm.name);
        ASSERT_TRUE(done.has_value()) << done.error().text();
        if (first.empty()) first = bytes_of(done->stored.weight);
        EXPECT_EQ(bytes_of(done->stored.weight), first)
            << algorithm.name << ", " << isa_name(isa) << ", " << threads;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, OnFormat,
                         ::testing::Values("int4_g32", "int4_g128_asym", "int3_g16_narrow",
                                           "int4_g32_signed", "int2_g64_asym", "int5_g64_asym",
                                           "int6_g32", "int4_g64_float_zero", "int3_g64_float_zero",
                                           "spqr3_g16", "nf4", "nf4_dq", "mxfp4", "mxfp6_e2m3",
                                           "nvfp4", "fp8_e4m3_row", "q4_0", "q4_1", "q5_1", "q2_k",
                                           "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs",
                                           "iq3_s", "gguf_mxfp4"),
                         [](const auto& info) { return info.param; });

// Fewer tokens than columns: the Gram matrix alone has no decomposition.
TEST(Gptq, DampingMakesFewTokensEnough) {
  ContextOwner owner(2, supported_isas().back());
  Layer layer(owner.get(), 32, 256);
  layer.inputs = InputStatistics(256, true);
  const auto x = correlated_inputs().view<float>();
  layer.inputs.add(owner.get(), {x.data, 64, 256, x.stride});
  layer.inputs.finish();
  const auto rounded = layer.quantize(owner.get(), *find_format("int4_g32"), "rtn");
  const auto done = layer.quantize(owner.get(), *find_format("int4_g32"), "gptq");
  ASSERT_TRUE(rounded && done);
  EXPECT_EQ(done->report.fallback, "");
  EXPECT_EQ(done->report.damping, 0.01f);
  EXPECT_EQ(done->report.tokens, 64);
  EXPECT_LT(done->report.output_error, 0.5 * rounded->report.output_error);
}

TEST(Gptq, AColumnWithoutInputsIsRoundedPlainly) {
  ContextOwner owner(1, supported_isas().back());
  Layer layer(owner.get(), 32, 64);
  const auto gram = layer.inputs.gram.view<float>();
  for (int64_t i = 0; i < 64; ++i) gram.row(i)[7] = gram.row(7)[i] = 0;
  layer.inputs.square_sums[7] = 0;
  const auto done = layer.quantize(owner.get(), *find_format("int8_row"), "gptq");
  ASSERT_TRUE(done.has_value());
  const Tensor decoded = done->stored.weight.decode();
  for (int64_t n = 0; n < 32; ++n) {
    const float w = layer.stored.weight.planes[0].as<float>()[n * 64 + 7];
    float scale = 0;
    for (int64_t i = 0; i < 64; ++i)
      scale = std::max(scale,
                       std::fabs(layer.stored.weight.planes[0].as<float>()[n * 64 + i]) / 127.5f);
    // half a step of a scale that a search may widen by a hundredth
    EXPECT_NEAR(decoded.as<float>()[n * 64 + 7], w, 0.51f * scale);
  }
}

TEST(Gptq, WhereNoDampingHelpsTheReportSaysSo) {
  ContextOwner owner(1, supported_isas().back());
  Layer layer(owner.get(), 16, 32);
  const auto gram = layer.inputs.gram.view<float>();
  for (int64_t i = 0; i < 32; ++i)
    for (int64_t j = 0; j < 32; ++j) gram.row(i)[j] = 0;
  const auto done = layer.quantize(owner.get(), *find_format("int4_g32"), "gptq");
  ASSERT_TRUE(done.has_value());
  EXPECT_NE(done->report.fallback.find("imatrix in place of gptq"), std::string::npos);
  QuantizeOptions strict;
  strict.scheme = {find_format("int4_g32"), Activations::f32};
  strict.method = find_algorithm("gptq");
  strict.strict = true;
  const auto refused = quantize_linear(owner.get(), layer.spec, layer.stored,
                                       {strict.scheme, strict.method}, strict, &layer.inputs);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().where, "layer.weight");
}

}  // namespace
}  // namespace farthing
