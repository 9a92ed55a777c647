// GGUF's types that search their scales, on weights of GPT-2: the error is not above libggml's,
// whose figures are in data/gguf_errors.inc (data/make_gguf_errors.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "formats/support/gguf_error.h"
#include "io/safetensors/safetensors.h"

namespace farthing {
namespace {

struct Measured {
  const char* format;
  double weighted, plain;
};
constexpr Measured libggml[] = {
#include "formats/data/gguf_errors.inc"
};

// The first 64 rows of each tensor.
std::vector<float> rows() {
  const char* shared = std::getenv("FARTHING_SHARED");
  const std::string folder = shared != nullptr ? shared : FARTHING_SOURCE_DIR "/../shared";
  const auto file = SafetensorsFile::open(folder + "/tensors/gpt2-attention.safetensors").value();
  std::vector<float> out;
  for (const auto& entry : file.entries()) {
    const Tensor tensor = file.tensor(entry.name).value();
    out.insert(out.end(), tensor.as<float>(), tensor.as<float>() + 64 * tensor.shape()[1]);
  }
  return out;
}

class SharedGguf : public ::testing::TestWithParam<Measured> {};

TEST_P(SharedGguf, TheErrorIsNotAboveThatOfLibggml) {
  const Format* format = find_format(GetParam().format);
  ASSERT_NE(format, nullptr);
  static const auto weights = rows();
  const int64_t k = 768, n = static_cast<int64_t>(weights.size()) / k;
  ASSERT_EQ(n, 12 * 64);
  const auto ours =
      testing::error_of(testing::encoded(*format, weights.data(), n, k), weights.data());
  std::printf("%-11s weighted error %.4f, plain %.4f of libggml's\n", GetParam().format,
              ours.weighted / GetParam().weighted, ours.plain / GetParam().plain);
  EXPECT_LE(ours.weighted, GetParam().weighted);
}

INSTANTIATE_TEST_SUITE_P(All, SharedGguf, ::testing::ValuesIn(libggml),
                         [](const auto& info) { return std::string(info.param.format); });

}  // namespace
}  // namespace farthing
