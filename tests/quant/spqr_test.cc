// spqr: outliers by their threshold, and what other methods and formats do with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "formats/outliers.h"
#include "quant/support/heavy_layer.h"

namespace farthing {
namespace {

constexpr int64_t n = 48, k = 256;

class Spqr : public ::testing::Test {
 protected:
  QuantizedLinear quantized(std::string_view format, std::string_view method,
                            const AlgorithmOptions& how = {}) {
    return layer_.quantize(owner_.get(), *find_format(format), method, how).value();
  }
  ContextOwner owner_{2, supported_isas().back()};
  Layer layer_{owner_.get(), n, k};
};

TEST_F(Spqr, BeatsRoundingInItsObjective) {
  for (const char* format : {"spqr3_g16", "spqr4_g16"}) {
    const QuantizedLinear done = quantized(format, "spqr");
    EXPECT_EQ(done.report.fallback, "");
    EXPECT_EQ(done.report.damping, 0.01f);
    EXPECT_LT(done.report.output_error, 0.8 * done.report.output_error_before) << format;
  }
}

TEST_F(Spqr, AHigherThresholdKeepsFewerOutliers) {
  int64_t before = n * k;
  for (const float threshold : {0.02f, 0.2f, 2.0f}) {
    const QuantizedLinear done = quantized("spqr3_g16", "spqr", {.outlier_threshold = threshold});
    const int64_t count = outlier_count(done.stored.weight);
    EXPECT_LT(count, before) << threshold;
    before = count;
  }
  EXPECT_EQ(
      outlier_count(quantized("spqr3_g16", "spqr", {.outlier_threshold = 1e6f}).stored.weight), 0);
}

TEST_F(Spqr, BitsPerWeightCountTheOutliers) {
  const QuantizedLinear done = quantized("spqr3_g16", "spqr");
  const auto count = static_cast<double>(outlier_count(done.stored.weight));
  // 32 bits an outlier, and 32 for each row and the first of them
  EXPECT_DOUBLE_EQ(done.report.bits_per_weight, 3.625 + (32 * (count + n + 1)) / (n * k));
}

// The largest weights are among the outliers, and stored to eleven bits.
TEST_F(Spqr, TheLargestWeightIsKeptApart) {
  const QuantizedLinear done = quantized("spqr3_g16", "spqr", {.act_order = false});
  const float* weights = layer_.stored.weight.planes[0].as<float>();
  const int64_t at =
      std::max_element(weights, weights + n * k,
                       [](float a, float b) { return std::fabs(a) < std::fabs(b); }) -
      weights;
  int64_t found = 0;
  each_outlier(done.stored.weight, at / k, at % k, at % k + 1, [&](int64_t, float) { ++found; });
  EXPECT_EQ(found, 1);
}

TEST_F(Spqr, OtherMethodsSaySo) {
  const QuantizedLinear done = quantized("spqr3_g16", "gptq");
  EXPECT_NE(done.report.fallback.find("imatrix in place of gptq"), std::string::npos);
  EXPECT_EQ(bytes_of(done.stored.weight),
            bytes_of(quantized("spqr3_g16", "imatrix").stored.weight));
}

TEST_F(Spqr, OtherFormatsTakeGptq) {
  const QuantizedLinear done = quantized("int4_g32", "spqr");
  EXPECT_NE(done.report.fallback.find("gptq in place of spqr"), std::string::npos);
  EXPECT_EQ(bytes_of(done.stored.weight), bytes_of(quantized("int4_g32", "gptq").stored.weight));
}

TEST_F(Spqr, WhereNoDampingHelpsTheReportSaysSo) {
  const auto gram = layer_.inputs.gram.view<float>();
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j) gram.row(i)[j] = 0;
  EXPECT_NE(quantized("spqr3_g16", "spqr").report.fallback.find("imatrix in place of spqr"),
            std::string::npos);
}

}  // namespace
}  // namespace farthing
