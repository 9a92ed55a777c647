// hqq against HQQ's own package (data/make_golden_hqq.py), and in its own objective against
// rounding.
#include <gtest/gtest.h>

#include <cmath>

#include "io/safetensors/safetensors.h"
#include "quant/quantize_linear.h"

namespace farthing {
namespace {

constexpr int64_t n = 16, k = 128, group = 64;

const SafetensorsFile& golden() {
  static const SafetensorsFile file =
      SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/quant/data/golden_hqq.safetensors").value();
  return file;
}

QuantizedLinear quantized(const std::string& format, const std::string& method) {
  ContextOwner owner(2, supported_isas().back());
  const StoredLinear from{
      {find_format("f32"), n, k, DType::f32, {golden().tensor("weights").value()}}};
  QuantizeOptions options;
  options.scheme = {find_format(format), Activations::f32};
  options.method = find_algorithm(method);
  return quantize_linear(owner.get(), {"layer.weight", n, k}, from,
                         {options.scheme, options.method}, options, nullptr)
      .value();
}

// sum |w' - w|^(3/4) of each group
std::vector<double> objective(const Tensor& decoded) {
  const Tensor weights = golden().tensor("weights").value();
  std::vector<double> out(n * k / group);
  for (size_t i = 0; i < n * k; ++i)
    out[i / group] += std::pow(std::fabs(static_cast<double>(decoded.as<float>()[i]) -
                                         static_cast<double>(weights.as<float>()[i])),
                               0.75);
  return out;
}

double sum(const std::vector<double>& of) {
  double out = 0;
  for (const double each : of) out += each;
  return out;
}

// Ours keeps each group's best zero, theirs the whole tensor's last; both start from the same.
// Theirs has an f32 scale: ours, in halves, moves a weight by at most 2^-11 of itself.
TEST(Hqq, IsAtLeastAsGoodAsItsOwnPackage) {
  const double theirs = sum(objective(golden().tensor("int4_g64.decoded").value()));
  const double ours =
      sum(objective(quantized("int4_g64_float_zero", "hqq").stored.weight.decode()));
  EXPECT_LT(ours, 1.001 * theirs);
  EXPECT_GT(ours, 0.9 * theirs);  // it is the same search
}

// The scale is that of the group's range: theirs, rounded to a half.
TEST(Hqq, ScalesAreThePackages) {
  const QuantizedLinear ours = quantized("int4_g64_float_zero", "hqq");
  const Tensor scales = golden().tensor("int4_g64.scales").value();
  for (int64_t i = 0; i < n * k / group; ++i)
    EXPECT_NEAR(f32_from_f16(ours.stored.weight.planes[1].as<uint16_t>()[i]), scales.as<float>()[i],
                scales.as<float>()[i] * 0x1p-11f * 1.01f);
}

TEST(Hqq, BeatsRoundingInItsObjectiveInEveryFormatThatTakesIt) {
  int formats = 0;
  for (const Format& format : all_formats()) {
    if (format.encode_with_zeros == nullptr) continue;
    ++formats;
    const std::string name(format.name);
    const QuantizedLinear done = quantized(name, "hqq");
    EXPECT_EQ(done.report.fallback, "");
    EXPECT_LT(sum(objective(done.stored.weight.decode())),
              0.995 * sum(objective(quantized(name, "rtn").stored.weight.decode())))
        << name;
  }
  EXPECT_GE(formats, 8);
}

TEST(Hqq, SaysWhereZerosAreWhole) {
  const QuantizedLinear done = quantized("int4_g64_asym", "hqq");
  EXPECT_NE(done.report.fallback.find("rtn in place of hqq"), std::string::npos);
  const QuantizedLinear rounded = quantized("int4_g64_asym", "rtn");
  EXPECT_EQ(done.report.relative_squared_error, rounded.report.relative_squared_error);
}

}  // namespace
}  // namespace farthing
