// Encoding and decoding against committed vectors of other packages: data/make_golden*.py, each of
// which writes the file of its name.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "formats/input_groups.h"
#include "io/safetensors/safetensors.h"

namespace farthing {
namespace {

// The file whose vectors are of this format.
SafetensorsFile file_of(const std::string& format) {
  for (const auto& each :
       std::filesystem::directory_iterator(FARTHING_SOURCE_DIR "/tests/formats/data")) {
    if (each.path().extension() != ".safetensors") continue;
    SafetensorsFile file = SafetensorsFile::open(each.path()).value();
    for (const auto& entry : file.entries())
      if (entry.name.starts_with(format + ".")) return file;
  }
  ADD_FAILURE() << "no vectors of " << format;
  std::abort();
}

class Golden : public ::testing::TestWithParam<std::string> {
 protected:
  Golden() : file_(file_of(GetParam())) {}

  const Format& format() const { return *find_format(GetParam()); }
  Tensor tensor(const std::string& name) const { return file_.tensor(name).value(); }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  // The weights that the vectors of this format were made from.
  Tensor values() const {
    const std::string own = GetParam() + ".values";
    return tensor(format().plain ? "float_values" : has(own) ? own : "values");
  }
  // The planes as the other package made them; of `rule` where it is not the default.
  QuantizedTensor stored(const std::string& rule = "") const {
    QuantizedTensor q{
        &format(), values().shape()[0], values().shape()[1], format().scale_dtype, {}};
    for (const PlaneSpec& plane : format().planes(q.n, q.k, q.scale_dtype))
      q.planes.push_back(tensor(GetParam() + rule + "." + std::string(plane.name)));
    return q;
  }

  void expect_encoded(const QuantizedTensor& expected, ScaleRule rule) const {
    QuantizedTensor q = QuantizedTensor::allocate(format(), expected.n, expected.k);
    const Tensor from = values();
    const EncodeReport report = q.encode(from.as<float>(), q.k, rule);
    EXPECT_EQ(report.nonfinite + report.overflowed_scales, 0);
    for (size_t p = 0; p < q.planes.size(); ++p) {
      const Tensor& ours = q.planes[p];
      const Tensor& theirs = expected.planes[p];
      ASSERT_EQ(ours.shape().text(), theirs.shape().text());
      ASSERT_EQ(ours.dtype(), theirs.dtype());
      for (int64_t i = 0; i < ours.bytes(); ++i)
        ASSERT_EQ(static_cast<int>(ours.data()[i]), static_cast<int>(theirs.data()[i]))
            << "plane " << p << ", byte " << i << " of " << ours.bytes() << " in " << q.n
            << " rows";
    }
  }

  SafetensorsFile file_;
};

TEST_P(Golden, EncodesToTheSameBytes) {
  expect_encoded(
      stored(), format().scale_rules.empty() ? ScaleRule::half_step : format().scale_rules.front());
  for (const ScaleRule rule : format().scale_rules) {
    std::string suffix(scale_rule_name(rule));
    suffix.insert(suffix.begin(), '.');
    SCOPED_TRACE(suffix);
    if (has(GetParam() + suffix + ".codes")) expect_encoded(stored(suffix), rule);
  }
}

TEST_P(Golden, DecodesToTheSameBits) {
  // of an integer grid the product of scale and code says it all: tests/formats/conformance_test.cc
  if (format().grid && !has(GetParam() + ".decoded")) return;
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

// GGUF's other types have vectors of their own: golden_gguf_test.cc. Formats whose inputs say their
// group have those of the format in runs: act_order_test.cc.
std::vector<std::string> all_names() {
  std::vector<std::string> out;
  for (const Format& format : all_formats())
    if (!has_input_groups(format) &&
        (format.gguf_type < 0 || format.plain || format.name == "q4_0" || format.name == "q4_1" ||
         format.name == "q8_0"))
      out.emplace_back(format.name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, ::testing::ValuesIn(all_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace farthing
