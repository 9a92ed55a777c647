// recode: the same values in another format, or an error that names what does not fit.
#include "formats/recode.h"

#include <gtest/gtest.h>

#include "formats/scale_plane.h"
#include "formats/support/encoded.h"

namespace farthing {
namespace {

const Format& named(const std::string& name) { return *find_format(name); }

QuantizedTensor weight_of(const std::string& name, int64_t n, int64_t k,
                          DType scale_dtype = DType::f16) {
  return encode(named(name), random_values(n * k, 0.05f), k, default_rule(named(name)),
                name.starts_with("int") ? scale_dtype : named(name).scale_dtype)
      .q;
}

bool same_values(const QuantizedTensor& a, const QuantizedTensor& b) {
  return values_of(a.decode()) == values_of(b.decode());  // 0 and -0 are equal
}

struct Pair {
  std::string from, to;
};

// Pairs of which every matrix fits.
class EveryMatrixFits : public ::testing::TestWithParam<Pair> {};

TEST_P(EveryMatrixFits, DecodedValuesAreEqual) {
  const auto& [from, to] = GetParam();
  // 37 rows: tiles of 16 and a rest
  const QuantizedTensor q = weight_of(from, 37, 512);
  const Result<QuantizedTensor> out = recode(q, named(to));
  ASSERT_TRUE(out.has_value()) << out.error().text();
  EXPECT_EQ(out->format, &named(to));
  EXPECT_TRUE(same_values(q, *out));
}

INSTANTIATE_TEST_SUITE_P(
    Recode, EveryMatrixFits,
    ::testing::Values(
        Pair{"int4_g32", "q4_0"}, Pair{"int4_g64", "q4_0"}, Pair{"int4_g128", "q4_0"},
        Pair{"int4_g256", "q4_0"}, Pair{"int4_row", "q4_0"}, Pair{"int4_g32_signed", "q4_0"},
        Pair{"int4_g32_narrow", "q4_0"}, Pair{"int3_g64", "q4_0"}, Pair{"int2_row", "q4_0"},
        Pair{"int3_g32_asym", "q4_0"}, Pair{"int2_g64_asym", "q4_0"},
        Pair{"int4_g128_asym", "q5_0"}, Pair{"int5_g32", "q5_0"}, Pair{"int4_g32", "q5_0"},
        Pair{"int8_g32", "q8_0"}, Pair{"int8_row", "q8_0"}, Pair{"int8_tensor", "q8_0"},
        Pair{"int6_g64", "q8_0"}, Pair{"int6_g128_asym", "q8_0"}, Pair{"int4_g32", "q4_1"},
        Pair{"int7_row_asym", "q8_0"}, Pair{"int5_g128_asym", "int7_g64_asym"},
        Pair{"int5_g32", "q5_1"}, Pair{"q4_0", "int4_g32"}, Pair{"q4_0", "int4_g32_signed"},
        Pair{"q4_0", "int4_g32_asym"}, Pair{"q5_0", "int5_g32"}, Pair{"q8_0", "int8_g32"},
        Pair{"q4_0", "q8_0"}, Pair{"int4_g32", "int4_g32_asym"}, Pair{"int4_g128", "int4_g32"},
        Pair{"int4_g128_asym", "int4_g32_asym"}, Pair{"int4_row_asym", "int4_g64_asym"},
        Pair{"int3_g128_asym", "int8_g32_asym"}, Pair{"int4_g128", "int8_g128"},
        Pair{"mxfp4", "gguf_mxfp4"}, Pair{"gguf_mxfp4", "mxfp4"}, Pair{"gguf_nvfp4", "nvfp4"},
        Pair{"nvfp4", "nvfp4_46"}, Pair{"f16", "f32"}, Pair{"bf16", "f32"}, Pair{"int4_g32", "f32"},
        Pair{"nf4_dq", "f32"}, Pair{"q4_k", "f32"}, Pair{"q6_k", "q6_k"}),
    [](const auto& info) { return info.param.from + "_to_" + info.param.to; });

TEST(Recode, CodesAndScalesOfInt4AreThoseOfQ40) {
  QuantizedTensor q = weight_of("int4_g32", 1, 32);
  const QuantizedTensor out = recode(q, named("q4_0")).value();
  const auto* block = out.planes[0].as<uint8_t>();
  uint16_t scale;
  std::memcpy(&scale, block, 2);
  EXPECT_EQ(scale, q.planes[1].as<uint16_t>()[0]);
  for (int i = 0; i < 32; ++i) {
    const int code = q.planes[0].as<uint8_t>()[i / 2] >> 4 * (i % 2) & 15;
    EXPECT_EQ(block[2 + i % 16] >> 4 * (i / 16) & 15, code) << i;
  }
}

// With scales in f32 codes go one by one, with those in f16 whole bytes do. 37 rows, and a last
// group that is shorter.
TEST(Recode, BytesOfInt4BecomeTheBlocksThatItsCodesBecome) {
  for (const auto* name : {"int4_g32", "int4_g64", "int4_g128", "int4_g256", "int4_row",
                           "int4_g32_signed", "int4_g128_narrow"}) {
    const QuantizedTensor bytes = weight_of(name, 37, 352);
    ASSERT_EQ(bytes.scale_dtype, DType::f16);
    QuantizedTensor codes = bytes;
    codes.scale_dtype = DType::f32;
    codes.planes[1] = to_f32(bytes.planes[1]);
    EXPECT_TRUE(
        same_planes(recode(bytes, named("q4_0")).value(), recode(codes, named("q4_0")).value()))
        << name;
  }
}

TEST(Recode, AScaleOfInt4ThatIsNoNumberHasNoBlock) {
  QuantizedTensor q = weight_of("int4_g32", 3, 64);
  q.planes[1].as<uint16_t>()[5] = 0x7e00;
  const auto out = recode(q, named("q4_0"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().where, "a weight [3, 64] in int4_g32, row 2, inputs 32 to 63");
}

TEST(Recode, ThereAndBackGivesTheSameBytes) {
  for (const Pair& pair : {Pair{"int4_g128", "q4_0"}, Pair{"int8_row", "q8_0"},
                           Pair{"int4_g32_asym", "int8_g32_asym"}, Pair{"mxfp4", "gguf_mxfp4"},
                           Pair{"gguf_nvfp4", "nvfp4"}, Pair{"int4_g32", "int4_g32_asym"}}) {
    const QuantizedTensor q = weight_of(pair.from, 19, 512);
    const QuantizedTensor there = recode(q, named(pair.to)).value();
    EXPECT_TRUE(same_planes(recode(there, *q.format).value(), q)) << pair.from;
  }
}

TEST(Recode, AnyNumberOfThreadsGivesTheSameBytes) {
  const QuantizedTensor q = weight_of("int3_g32_asym", 100, 256);
  ThreadPool pool(3);
  EXPECT_TRUE(
      same_planes(recode(q, named("q4_0"), pool).value(), recode(q, named("q4_0")).value()));
}

TEST(Recode, ScalesKeepTheirTypeWhereTheTargetMayHaveIt) {
  const QuantizedTensor q = weight_of("int4_g128", 4, 256, DType::bf16);
  EXPECT_EQ(recode(q, named("int4_g32")).value().scale_dtype, DType::bf16);
  EXPECT_EQ(recode(q, named("q4_0")).value().scale_dtype, DType::f16);
}

TEST(Recode, ScalesTakeTheTypeThatIsAskedFor) {
  const QuantizedTensor q = weight_of("int4_g128", 4, 256, DType::bf16);
  const QuantizedTensor out = recode(q, named("int4_g128"), DType::f16).value();
  EXPECT_EQ(out.planes[1].dtype(), DType::f16);
  EXPECT_TRUE(same_values(q, out));
}

TEST(Recode, AScaleThatF16LacksIsNamed) {
  QuantizedTensor q = weight_of("int4_g64", 20, 128, DType::f32);
  for (int64_t i = 0; i < 40; ++i) store_scale(q.planes[1], i, 0.5f);
  store_scale(q.planes[1], 17 * 2 + 1, 0.1f);
  const auto out = recode(q, named("q4_0"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().where, "a weight [20, 128] in int4_g64, row 17, inputs 64 to 95");
  EXPECT_EQ(out.error().got, "the scale 0.1");
  EXPECT_EQ(out.error().wanted, "a scale that q4_0 holds");
  EXPECT_NE(out.error().remedy.find("farthing quantize --format q4_0"), std::string::npos);
}

// One scale 3 * 2^-10 and zero 5: the minimum -15 * 2^-10 is a half; of 1025 * 2^-20 and 5 it has
// 13 bits, where halves have 11.
TEST(Recode, ZerosBecomeAMinimumOnlyWhereItIsExact) {
  QuantizedTensor q = weight_of("int4_g32_asym", 1, 32);
  store_scale(q.planes[1], 0, 0x3p-10f);
  q.planes[2].as<uint8_t>()[0] = 5;
  const auto out = recode(q, named("q4_1"));
  ASSERT_TRUE(out.has_value());
  EXPECT_TRUE(same_values(q, *out));
  EXPECT_TRUE(same_planes(recode(*out, *q.format).value(), q));
  store_scale(q.planes[1], 0, 1025 * 0x1p-20f);
  const auto other = recode(q, named("q4_1"));
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().got, "the scale 0.0009775162 and the zero 5");
  EXPECT_EQ(other.error().wanted, "a scale and a minimum, -scale * zero, that q4_1 holds");
}

TEST(Recode, AMinimumThatIsNoWholeNumberOfStepsHasNoZero) {
  const auto out = recode(weight_of("q4_1", 2, 64), named("int4_g32_asym"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().got, "a minimum that is no whole number of steps of its scale");
}

TEST(Recode, StepsBeyondTheTargetsCodesAreNamed) {
  QuantizedTensor q = weight_of("int8_g32", 3, 64);
  std::vector<uint8_t> codes(64, 128);
  codes[40] = 128 + 8;
  for (int64_t n = 0; n < 3; ++n) q.format->put_codes(q, n, n + 1, codes.data(), 64);
  const auto out = recode(q, named("q4_0"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().where, "a weight [3, 64] in int8_g32, row 0, inputs 40 to 40");
  EXPECT_EQ(out.error().got, "8 steps of the scale");
  codes[40] = 128 - 9;
  for (int64_t n = 0; n < 3; ++n) q.format->put_codes(q, n, n + 1, codes.data(), 64);
  EXPECT_EQ(recode(q, named("q4_0")).error().got, "-9 steps of the scale");
}

TEST(Recode, GroupsAreJoinedOnlyUnderOneScale) {
  const QuantizedTensor wide = weight_of("int4_g128", 5, 256);
  const QuantizedTensor narrow = recode(wide, named("int4_g32")).value();
  EXPECT_TRUE(same_planes(recode(narrow, named("int4_g128")).value(), wide));
  const auto out = recode(weight_of("int4_g32", 5, 256), named("int4_g128"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().wanted, "one scale that int4_g128 holds");
}

TEST(Recode, AScaleOfTheTensorMustGoIntoTheBlocksScales) {
  QuantizedTensor q = weight_of("nvfp4", 3, 128);
  const auto out = recode(q, named("gguf_nvfp4"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().where, "a weight [3, 128] in nvfp4, row 0, inputs 0 to 15");
  q.planes[2].as<float>()[0] = 0.25f;  // moves the exponents of E4M3 by two
  for (int64_t i = 0; i < q.planes[1].bytes(); ++i) q.planes[1].as<uint8_t>()[i] = 0x40;
  const auto whole = recode(q, named("gguf_nvfp4"));
  ASSERT_TRUE(whole.has_value());
  EXPECT_TRUE(same_values(q, *whole));
}

TEST(Recode, AScaleThatIsNoNumberDoesNotFit) {
  QuantizedTensor q = weight_of("mxfp4", 1, 64);
  q.planes[1].as<uint8_t>()[1] = 255;
  const auto out = recode(q, named("gguf_mxfp4"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().got, "a scale that is no number");
}

TEST(Recode, AValueThatAPlainTypeLacksIsNamed) {
  QuantizedTensor q = weight_of("f32", 2, 32);
  for (int64_t i = 0; i < 64; ++i) q.planes[0].as<float>()[i] = 1.5f;
  q.planes[0].as<float>()[33] = 1.0f + 0x1p-12f;
  const auto out = recode(q, named("f16"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().where, "a weight [2, 32] in f32, row 1, inputs 1 to 1");
}

TEST(Recode, FormatsWithoutAWayAreRefusedWithThoseThatHaveOne) {
  const auto out = recode(weight_of("nf4", 2, 64), named("q4_0"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().wanted, "one of f32, f16, bf16");
}

TEST(Recode, InputsThatAreNoWholeBlocksAreRefused) {
  const auto out = recode(weight_of("int4_row", 2, 40), named("q4_0"));
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().got, "q4_0 has blocks of 32 inputs");
}

}  // namespace
}  // namespace farthing
