// Outlier columns on weights with real heavy tails, GPT-2's attention outputs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "base/random.h"
#include "io/safetensors/safetensors.h"
#include "ops/linear/linear.h"

namespace farthing {
namespace {

constexpr int64_t k = 768, m = 64;

Tensor weight_named(const std::string& name) {
  const char* shared = std::getenv("FARTHING_SHARED");
  const std::string folder = shared != nullptr ? shared : FARTHING_SOURCE_DIR "/../shared";
  const auto file = SafetensorsFile::open(folder + "/tensors/gpt2-attention.safetensors").value();
  return file.tensor(name).value();
}

// Normal elements, and one column in 192 that is thirty times as large.
Tensor inputs() {
  Tensor out(DType::f32, {m, k});
  for (int64_t i = 0; i < m * k; ++i)
    out.as<float>()[i] =
        (i % k % 192 == 100 ? 30.0f : 1.0f) * random_normal(9, 1, static_cast<uint64_t>(i));
  return out;
}

// The squared error of the outputs relative to their squares, in double, against the weights as
// they were before they were rounded.
double output_error(Context& context, const Tensor& weight, const InputRounding& rounding) {
  const int64_t n = weight.shape()[0];
  QuantizedTensor stored = QuantizedTensor::allocate(*find_format("int8_row"), n, k);
  stored.encode(weight.as<float>(), k, ScaleRule::half_step);
  const PackedWeight packed = ops::pack_weight(context, stored, rounding);
  const Tensor x = inputs();
  Tensor y(DType::f32, {m, n});
  ops::linear_forward(context, x.view<float>(), packed, y.view<float>());
  double error = 0, squares = 0;
  for (int64_t t = 0; t < m; ++t)
    for (int64_t o = 0; o < n; ++o) {
      double exact = 0;
      for (int64_t i = 0; i < k; ++i)
        exact += static_cast<double>(x.as<float>()[t * k + i]) * weight.as<float>()[o * k + i];
      const double miss = exact - y.as<float>()[t * n + o];
      error += miss * miss;
      squares += exact * exact;
    }
  return error / squares;
}

TEST(OutliersOfGpt2, KeptColumnsCostLessThanATokensOneScale) {
  ContextOwner owner(2, supported_isas().back());
  for (const char* name : {"gpt2.layer2.proj.weight", "gpt2.layer12.proj.weight"}) {
    const Tensor weight = weight_named(name);
    StaticInput columns, threshold;
    columns.outliers = OutlierColumns({100, 292, 484, 676});
    threshold.outlier_threshold = 6.0f;
    const double token = output_error(owner.get(), weight, Activations::int8_token);
    const double fixed = output_error(owner.get(), weight, {Activations::int8_outliers, columns});
    const double live =
        output_error(owner.get(), weight, {Activations::int8_outliers_live, threshold});
    // A step falls from about 60 / 127 to 3.3 / 127: what is left is the error of the weights.
    EXPECT_LT(fixed, token / 2) << name;
    EXPECT_LT(live, token / 2) << name;
    std::printf("%s: int8_token %.3e, int8_outliers %.3e, int8_outliers_live %.3e\n", name, token,
                fixed, live);
  }
}

}  // namespace
}  // namespace farthing
