// Encoding of GGUF's block types at the ends of their range, and the formats they fall back to.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/random.h"
#include "formats/format.h"

namespace farthing {
namespace {

struct Encoded {
  QuantizedTensor q;
  EncodeReport report;
};
Encoded encode(const Format& format, const std::vector<float>& values) {
  const auto k = static_cast<int64_t>(values.size());
  Encoded out{QuantizedTensor::allocate(format, 1, k), {}};
  out.report = format.encode_tile(
      out.q, {0, 1, 0, k}, values.data(), k,
      format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front());
  return out;
}

class GgufEncode : public ::testing::TestWithParam<std::string> {
 protected:
  const Format& format() const { return *find_format(GetParam()); }
};

TEST_P(GgufEncode, AtEveryMagnitudeTheResultIsFiniteOrRefused) {
  for (int exponent = -148; exponent <= 126; ++exponent) {
    std::vector<float> values(512);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] =
          std::ldexp(random_normal(3, static_cast<uint64_t>(exponent + 200), i), exponent - 1);
    float amax = 0;
    for (const float x : values) amax = std::max(amax, std::fabs(x));
    const Encoded out = encode(format(), values);
    EXPECT_EQ(out.report.nonfinite, 0);
    if (out.report.overflowed_scales != 0) {
      EXPECT_GT(amax, 2000.0f);  // nvfp4's end is 6 * 448, the others' is beyond
      continue;
    }
    const Tensor decoded = out.q.decode();
    for (int64_t i = 0; i < 512; ++i) {
      ASSERT_TRUE(std::isfinite(decoded.as<float>()[i])) << exponent;
      // No code at the wrong end, no sign lost. The least halves are 2^-24 apart: a code of up to
      // 31 times a scale that is half of that off (q5_1), and a minimum.
      ASSERT_LE(std::fabs(decoded.as<float>()[i] - values[static_cast<size_t>(i)]),
                amax + 32 * 0x1p-25f)
          << exponent;
    }
  }
}

TEST_P(GgufEncode, BlocksOfOneSignKeepIt) {
  for (const float sign : {1.0f, -1.0f}) {
    std::vector<float> values(512);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = sign * (0.5f + 0.5f * std::fabs(random_normal(4, 1, i)));
    const Tensor decoded = encode(format(), values).q.decode();
    for (int64_t i = 0; i < 512; ++i) EXPECT_GE(sign * decoded.as<float>()[i], 0) << i;
  }
}

TEST_P(GgufEncode, AZeroBlockBesideOthersStaysExactlyZero) {
  std::vector<float> values(512, 0.0f);
  for (size_t i = 256; i < 512; ++i) values[i] = random_normal(5, 1, i);
  const Encoded out = encode(format(), values);
  EXPECT_EQ(out.report.zero_groups, 256 / format().block);
  const Tensor decoded = out.q.decode();
  for (int64_t i = 0; i < 256; ++i) EXPECT_EQ(decoded.as<float>()[i], 0.0f);
}

TEST_P(GgufEncode, BlocksTooSmallForTheirScalesAreFlushedAndCounted) {
  if (GetParam() == "gguf_mxfp4") return;  // its scales reach below the least normal float
  if (GetParam() == "q4_1" || GetParam() == "q5_1") return;  // two numbers; home engine's rule
  std::vector<float> values(512);
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0x1p-40f * random_normal(6, 1, i);
  const Encoded out = encode(format(), values);
  EXPECT_EQ(out.report.flushed_groups, 512 / format().block);
  EXPECT_EQ(out.report.zero_groups, 0);
  const Tensor decoded = out.q.decode();
  for (int64_t i = 0; i < 512; ++i) EXPECT_EQ(decoded.as<float>()[i], 0.0f);
}

std::vector<std::string> types() {
  std::vector<std::string> out;
  for (const Format& format : all_formats())
    if (format.gguf_type >= 0 && !format.plain) out.emplace_back(format.name);
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, GgufEncode, ::testing::ValuesIn(types()),
                         [](const auto& info) { return info.param; });

// tensor_type_fallback of llama.cpp's src/llama-quant.cpp.
const std::map<std::string, std::string> fallbacks = {
    {"q2_k", "q4_0"},      {"q3_k", "q4_0"},      {"q4_k", "q5_0"},    {"q5_k", "q5_1"},
    {"q6_k", "q8_0"},      {"iq4_xs", "iq4_nl"},  {"tq1_0", "q4_0"},   {"tq2_0", "q4_0"},
    {"iq3_s", "iq4_nl"},   {"iq3_xxs", "iq4_nl"}, {"iq2_s", "iq4_nl"}, {"iq2_xs", "iq4_nl"},
    {"iq2_xxs", "iq4_nl"}, {"iq1_s", "iq4_nl"},   {"iq1_m", "iq4_nl"}};

TEST(GgufFallback, IsThatOfLlamaCpp) {
  for (const Format& format : all_formats()) {
    if (format.block != 256) continue;
    const auto expected = fallbacks.find(std::string(format.name));
    ASSERT_NE(expected, fallbacks.end()) << format.name;
    EXPECT_EQ(format_that_holds(format, 576).name, expected->second) << format.name;
    EXPECT_EQ(format_that_holds(format, 512).name, format.name);
  }
}

TEST(GgufFallback, IsF16WhereBlocksOf32DoNotFitEither) {
  for (const Format& format : all_formats()) {
    if (format.block == 1) continue;
    EXPECT_EQ(format_that_holds(format, 40).name, "f16") << format.name;
  }
}

}  // namespace
}  // namespace farthing
