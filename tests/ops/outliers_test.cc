// Facts about outlier columns: the int8 product of all other columns, then one chain over them, in
// ascending order, with the same bits everywhere.
#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/random.h"
#include "io/safetensors/safetensors.h"
#include "kernels/quantize_rows/quantize_rows.h"
#include "ops/linear/linear.h"

namespace farthing {
namespace {

constexpr int64_t k = 300, n = 40, m = 7;
const std::vector<int32_t> columns = {0, 31, 32, 157, 299};

// Normal, but for some columns of large elements.
Tensor inputs(int64_t rows = m) {
  Tensor out(DType::f32, {rows, k});
  for (int64_t i = 0; i < rows * k; ++i)
    out.as<float>()[i] = random_normal(3, 1, static_cast<uint64_t>(i));
  for (int64_t t = 0; t < rows; ++t)
    for (const int32_t c : columns) out.as<float>()[t * k + c] += t % 2 == 0 ? 20.0f : -35.0f;
  return out;
}

QuantizedTensor weight_in(const Format& format) {
  Tensor values(DType::f32, {n, k});
  for (int64_t i = 0; i < n * k; ++i)
    values.as<float>()[i] = 0.05f * random_normal(3, 2, static_cast<uint64_t>(i));
  QuantizedTensor out = QuantizedTensor::allocate(format, n, k);
  out.encode(std::as_const(values).as<float>(), k,
             format.scale_rules.empty() ? ScaleRule::half_step : format.scale_rules.front());
  return out;
}

InputRounding fixed(std::vector<int32_t> of_linear = columns) {
  StaticInput input;
  input.outliers = OutlierColumns(std::move(of_linear));
  return {Activations::int8_outliers, input};
}
InputRounding live(float threshold = 6.0f) {
  StaticInput input;
  input.outlier_threshold = threshold;
  return {Activations::int8_outliers_live, input};
}

std::vector<float> product(Context& context, const QuantizedTensor& weight, const Tensor& x,
                           const InputRounding& rounding) {
  const PackedWeight packed = ops::pack_weight(context, weight, rounding);
  std::vector<float> y(static_cast<size_t>(x.shape()[0] * weight.n), -1.0f);
  ops::linear_forward(context, x.view<float>(), packed,
                      {y.data(), x.shape()[0], weight.n, weight.n});
  return y;
}

Tensor with_zeros(const Tensor& x, std::span<const int32_t> at) {
  Tensor out(DType::f32, x.shape());
  std::copy_n(x.as<float>(), x.shape().elements(), out.as<float>());
  for (int64_t t = 0; t < x.shape()[0]; ++t)
    for (const int32_t c : at) out.as<float>()[t * x.shape()[1] + c] = 0;
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The contract of docs/numerics.md, step by step.
TEST(Outliers, TheProductIsThatOfAllOtherColumnsAndThenAChainOverThem) {
  ContextOwner plain(1, Isa::portable);
  const Tensor x = inputs();
  for (const char* name : {"int8_row", "int4_g32_asym", "int4_row", "int5_g64", "int6_g128_asym",
                           "int8_g128_asym", "int2_g32_signed"}) {
    const Format& format = *find_format(name);
    const QuantizedTensor weight = weight_in(format);
    auto expected = product(plain.get(), weight, with_zeros(x, columns), Activations::int8_token);
    const Tensor decoded = weight.decode();
    for (int64_t t = 0; t < m; ++t)
      for (int64_t o = 0; o < n; ++o)
        for (const int32_t c : columns) {
          float& y = expected[static_cast<size_t>(t * n + o)];
          y = std::fma(std::as_const(x).as<float>()[t * k + c],
                       std::as_const(decoded).as<float>()[o * k + c], y);
        }
    for (const Isa isa : supported_isas()) {
      for (const int threads : {1, 3}) {
        ContextOwner owner(threads, isa);
        EXPECT_TRUE(same_bits(product(owner.get(), weight, x, fixed()), expected)) << name;
        EXPECT_TRUE(same_bits(product(owner.get(), weight, x, live()), expected)) << name;
      }
    }
  }
}

TEST(Outliers, WithoutThemARowIsRoundedAsAToken) {
  ContextOwner owner(2, supported_isas().back());
  const Tensor x = inputs();
  for (const char* name : {"int8_row", "int4_g16", "nf4"}) {
    const QuantizedTensor weight = weight_in(*find_format(name));
    const auto token = product(owner.get(), weight, x, Activations::int8_token);
    EXPECT_TRUE(same_bits(product(owner.get(), weight, x, fixed({})), token)) << name;
    EXPECT_TRUE(same_bits(product(owner.get(), weight, x, live(0.0f)), token)) << name;
    EXPECT_TRUE(same_bits(product(owner.get(), weight, x, live(1e9f)), token)) << name;
  }
}

// Off the integer grid the product is of f32 values, those of outlier columns among them.
TEST(Outliers, WeightsOffTheIntegerGridMultiplyTheRoundedValues) {
  ContextOwner owner(2, supported_isas().back());
  QuantizedTensor identity = QuantizedTensor::allocate(*find_format("f32"), k, k);
  for (int64_t i = 0; i < k; ++i) identity.planes[0].as<float>()[i * k + i] = 1.0f;
  const Tensor x = inputs();
  const auto kept = product(owner.get(), identity, x, fixed()),
             rounded =
                 product(owner.get(), identity, with_zeros(x, columns), Activations::int8_token);
  EXPECT_TRUE(same_bits(product(owner.get(), identity, x, live()), kept));
  for (int64_t t = 0; t < m; ++t)
    for (int32_t i = 0; i < k; ++i) {
      const auto at = static_cast<size_t>(t * k + i);
      const bool outlier = std::find(columns.begin(), columns.end(), i) != columns.end();
      EXPECT_EQ(kept[at], outlier ? std::as_const(x).as<float>()[at] : rounded[at])
          << t << " " << i;
    }
}

TEST(Outliers, RowsOfZerosAndRowsOfNothingElseAreFinite) {
  ContextOwner owner(1, supported_isas().back());
  const QuantizedTensor weight = weight_in(*find_format("int8_row"));
  const Tensor decoded = weight.decode();
  Tensor x(DType::f32, {2, k});
  for (const int32_t c : columns) x.as<float>()[k + c] = 100.0f;
  for (const InputRounding& rounding : {fixed(), live()}) {
    const auto y = product(owner.get(), weight, x, rounding);
    for (int64_t o = 0; o < n; ++o) {
      EXPECT_EQ(y[static_cast<size_t>(o)], 0.0f);
      float chain = 0;
      for (const int32_t c : columns)
        chain = std::fma(100.0f, std::as_const(decoded).as<float>()[o * k + c], chain);
      EXPECT_EQ(y[static_cast<size_t>(n + o)], chain);
    }
  }
}

TEST(Outliers, WhatIsNotFiniteIsSeenInItsRowAndInNoOther) {
  ContextOwner owner(2, supported_isas().back());
  const QuantizedTensor weight = weight_in(*find_format("int8_row"));
  for (const float bad : {NAN, std::numeric_limits<float>::infinity()})
    for (const int32_t at : {157, 158})  // an outlier column, and another
      for (const InputRounding& rounding : {fixed(), live()}) {
        Tensor x = inputs();
        x.as<float>()[3 * k + at] = bad;
        const auto y = product(owner.get(), weight, x, rounding);
        for (int64_t i = 0; i < m * n; ++i)
          EXPECT_EQ(std::isfinite(y[static_cast<size_t>(i)]), i / n != 3) << bad << " " << at;
      }
}

// Column 158 of one row decides how the others are rounded, unless the columns are the linear's.
TEST(Outliers, OfACallMakeARowDependOnTheOthers) {
  ContextOwner owner(2, supported_isas().back());
  const QuantizedTensor weight = weight_in(*find_format("int8_row"));
  const Tensor x = inputs(1);
  Tensor more = inputs(2);
  more.as<float>()[k + 158] = 6.5f;
  const auto first_row = [&](const InputRounding& rounding) {
    auto y = product(owner.get(), weight, more, rounding);
    y.resize(n);
    return y;
  };
  EXPECT_FALSE(same_bits(first_row(live()), product(owner.get(), weight, x, live())));
  EXPECT_TRUE(same_bits(first_row(fixed()), product(owner.get(), weight, x, fixed())));
}

TEST(Outliers, TheThresholdItselfIsReached) {
  ContextOwner owner(1, supported_isas().back());
  const QuantizedTensor weight = weight_in(*find_format("int8_row"));
  Tensor x(DType::f32, {1, k});
  for (int64_t i = 0; i < k; ++i) x.as<float>()[i] = 0.01f * static_cast<float>(i % 50);
  x.as<float>()[77] = -6.0f;
  EXPECT_TRUE(same_bits(product(owner.get(), weight, x, live()),
                        product(owner.get(), weight, x, fixed({77}))));
  x.as<float>()[77] = std::nextafter(-6.0f, 0.0f);
  EXPECT_TRUE(same_bits(product(owner.get(), weight, x, live()),
                        product(owner.get(), weight, x, fixed({}))));
}

// tests/ops/data/make_golden_outliers.py: bitsandbytes' LLM.int8(), in f32.
class OutliersOfBitsandbytes : public ::testing::Test {
 protected:
  const SafetensorsFile file_ =
      SafetensorsFile::open(FARTHING_SOURCE_DIR "/tests/ops/data/golden_outliers.safetensors")
          .value();
  const Tensor x_ = file_.tensor("x").value(), columns_ = file_.tensor("columns").value();
  const Tensor codes_ = file_.tensor("codes").value(), amax_ = file_.tensor("amax").value();
  const int64_t rows_ = x_.shape()[0];

  InputRounding rounding() const {
    const int32_t* list = columns_.as<int32_t>();
    return fixed({list, list + columns_.shape()[0]});
  }
  // Its codes, with f32 scales of a row's amax / 127.
  QuantizedTensor weight() const {
    const Tensor codes = file_.tensor("weight_codes").value(),
                 amax = file_.tensor("weight_amax").value();
    QuantizedTensor out =
        QuantizedTensor::allocate(*find_format("int8_row_narrow"), n, k, DType::f32);
    for (int64_t i = 0; i < n * k; ++i)
      out.planes[0].as<uint8_t>()[i] = static_cast<uint8_t>(codes.as<int8_t>()[i] + 128);
    for (int64_t o = 0; o < n; ++o) out.planes[1].as<float>()[o] = amax.as<float>()[o] / 127;
    return out;
  }
};

TEST_F(OutliersOfBitsandbytes, CodesAndScalesAreItsOwn) {
  const int64_t blocks = blocks_of_32(k);
  std::vector<float> marks(static_cast<size_t>(blocks * 32)), scales(static_cast<size_t>(blocks));
  const InputRounding kept = rounding();
  for (const int32_t c : kept.parameters.outliers.list()) marks[static_cast<size_t>(c)] = 1;
  std::vector<int8_t> codes(marks.size());
  std::vector<int32_t> sums(scales.size());
  for (int64_t t = 0; t < rows_; ++t) {
    choose_quantize_rows_kernel(supported_isas().back())
        ->int8_outliers(x_.as<float>() + t * k, k, {{}, {}, marks.data()}, codes.data(),
                        scales.data(), sums.data());
    EXPECT_EQ(scales[0], amax_.as<float>()[t] / 127) << t;
    for (int64_t i = 0; i < k; ++i)
      EXPECT_EQ(codes[static_cast<size_t>(i)], codes_.as<int8_t>()[t * k + i]) << t << " " << i;
  }
}

TEST_F(OutliersOfBitsandbytes, ProductsAreItsOwn) {
  ContextOwner owner(2, supported_isas().back());
  const QuantizedTensor w = weight();
  const auto y = product(owner.get(), w, x_, rounding());
  EXPECT_TRUE(same_bits(product(owner.get(), w, x_, live()), y));  // it finds the same columns
  const Tensor expected = file_.tensor("y").value(), decoded = w.decode();
  for (int64_t t = 0; t < rows_; ++t)
    for (int64_t o = 0; o < n; ++o) {
      double magnitudes = 0;
      for (int64_t i = 0; i < k; ++i)
        magnitudes += std::fabs(static_cast<double>(x_.as<float>()[t * k + i]) *
                                std::as_const(decoded).as<float>()[o * k + i]);
      // Ours: k / 32 + 2 units of 2^-24 and one for each of five columns, 17. Theirs: the whole
      // number times two scales and 1 / 127^2, four roundings; a weight of two roundings, and six
      // additions. Twice the scales differ by a rounding of amax / 127: 32 units hold all. Codes
      // stand for at most half a step more than x does: twice the magnitudes hold them.
      EXPECT_NEAR(y[static_cast<size_t>(t * n + o)], expected.as<float>()[t * n + o],
                  2 * magnitudes * 32 * 0x1p-24)
          << t << " " << o;
    }
}

// Made with AVX-512; every machine must give these bits.
TEST(Outliers, CommittedDigests) {
  for (const Isa isa : supported_isas()) {
    ContextOwner owner(2, isa);
    const auto of = [&](const char* format) {
      const auto y = product(owner.get(), weight_in(*find_format(format)), inputs(), fixed());
      return XXH3_64bits(y.data(), y.size() * sizeof(float));
    };
    EXPECT_EQ(of("int8_row"), 0xfd22c8d839bd059fu) << std::hex << of("int8_row");
    EXPECT_EQ(of("int4_g128_asym"), 0x1bcc9f8a63d49f2bu) << std::hex << of("int4_g128_asym");
    EXPECT_EQ(of("nf4"), 0xbf566f18b240b5c5u) << std::hex << of("nf4");
  }
}

}  // namespace
}  // namespace farthing
