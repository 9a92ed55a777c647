// Encoding and decoding against committed vectors of numpy, ml_dtypes, gguf and compressed-tensors
// (data/make_golden.py).
#include <gtest/gtest.h>

#include <cstring>

#include "formats/format.h"
#include "io/safetensors/safetensors.h"

namespace farthing {
namespace {

class Golden : public ::testing::TestWithParam<std::string> {
 protected:
  Golden()
      : file_(SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/formats/data/golden.safetensors")
                  .value()) {}

  const Format& format() const { return *find_format(GetParam()); }
  Tensor tensor(const std::string& name) const { return file_.tensor(name).value(); }
  // The weights that the vectors of this format were made from.
  Tensor values() const { return tensor(format().plain ? "float_values" : "values"); }
  // The planes as the other package made them.
  QuantizedTensor stored() const {
    QuantizedTensor q{
        &format(), values().shape()[0], values().shape()[1], format().scale_dtype, {}};
    for (const PlaneSpec& plane : format().planes(q.n, q.k, q.scale_dtype))
      q.planes.push_back(tensor(GetParam() + "." + std::string(plane.name)));
    return q;
  }

  SafetensorsFile file_;
};

TEST_P(Golden, EncodesToTheSameBytes) {
  const QuantizedTensor expected = stored();
  QuantizedTensor q = QuantizedTensor::allocate(format(), expected.n, expected.k);
  const ScaleRule rule =
      format().scale_rules.empty() ? ScaleRule::half_step : format().scale_rules.front();
  const Tensor from = values();
  const EncodeReport report =
      format().encode_tile(q, {0, q.n, 0, q.k}, from.as<float>(), q.k, rule);
  EXPECT_EQ(report.nonfinite + report.overflowed_scales, 0);
  for (size_t p = 0; p < q.planes.size(); ++p) {
    const Tensor& ours = q.planes[p];
    const Tensor& theirs = expected.planes[p];
    ASSERT_EQ(ours.shape().text(), theirs.shape().text());
    ASSERT_EQ(ours.dtype(), theirs.dtype());
    const int64_t row = ours.bytes() / q.n;
    for (int64_t n = 0; n < q.n; ++n)
      for (int64_t i = 0; i < row; ++i)
        ASSERT_EQ(static_cast<int>(ours.data()[n * row + i]),
                  static_cast<int>(theirs.data()[n * row + i]))
            << "plane " << p << ", row " << n << ", byte " << i;
  }
}

TEST_P(Golden, DecodesToTheSameBits) {
  const QuantizedTensor from = stored();
  const Tensor ours = from.decode();
  const Tensor theirs = GetParam() == "f32" ? values() : tensor(GetParam() + ".decoded");
  for (int64_t i = 0; i < ours.shape().elements(); ++i) {
    const auto a = ours.as<uint32_t>()[i], b = theirs.as<uint32_t>()[i];
    // 0 * scale has the sign that a package's order of operations gives it.
    const bool zeros = ((a | b) & 0x7fffffff) == 0 && !format().plain;
    ASSERT_TRUE(a == b || zeros) << "row " << i / from.k << ", column " << i % from.k << ": "
                                 << ours.as<float>()[i] << ", wanted " << theirs.as<float>()[i];
  }
}

// GGUF's other types have vectors of their own: golden_gguf_test.cc.
std::vector<std::string> all_names() {
  std::vector<std::string> out;
  for (const Format& format : all_formats())
    if (format.gguf_type < 0 || format.plain || format.name == "q4_0" || format.name == "q4_1" ||
        format.name == "q8_0")
      out.emplace_back(format.name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, ::testing::ValuesIn(all_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
