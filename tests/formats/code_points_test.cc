// Every code of a format, and the rules that choose scales.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "formats/format.h"

namespace farthing {
namespace {

uint16_t half(float value) { return f16_from_f32(value); }

TEST(CodePoints, Int4CodesLieLowNibbleFirst) {
  QuantizedTensor q = QuantizedTensor::allocate(*find_format("int4_g32"), 1, 32);
  for (int i = 0; i < 16; ++i)
    q.planes[0].as<uint8_t>()[i] = static_cast<uint8_t>((2 * i & 15) | ((2 * i + 1) & 15) << 4);
  q.planes[1].as<uint16_t>()[0] = half(0.375f);
  const Tensor w = q.decode();
  for (int i = 0; i < 32; ++i)
    EXPECT_EQ(w.as<float>()[i], 0.375f * static_cast<float>(i % 16 - 8)) << i;
}

TEST(CodePoints, Int8CodesAreUnsignedAround128) {
  QuantizedTensor q = QuantizedTensor::allocate(*find_format("int8_row"), 1, 256);
  for (int i = 0; i < 256; ++i) q.planes[0].as<uint8_t>()[i] = static_cast<uint8_t>(i);
  q.planes[1].as<uint16_t>()[0] = half(-0.5f);
  const Tensor w = q.decode();
  for (int i = 0; i < 256; ++i)
    EXPECT_EQ(w.as<float>()[i], -0.5f * static_cast<float>(i - 128)) << i;
}

TEST(CodePoints, EveryZeroPointOfTheAsymmetricFormat) {
  const int64_t k = 16 * 128;
  QuantizedTensor q = QuantizedTensor::allocate(*find_format("int4_g128_asym"), 1, k);
  for (int64_t i = 0; i < k / 2; ++i) q.planes[0].as<uint8_t>()[i] = static_cast<uint8_t>(i * 37);
  for (int g = 0; g < 16; ++g) q.planes[1].as<uint16_t>()[g] = half(1.0f);
  for (int g = 0; g < 8; ++g)
    q.planes[2].as<uint8_t>()[g] = static_cast<uint8_t>(2 * g | (2 * g + 1) << 4);
  const Tensor w = q.decode();
  for (int64_t i = 0; i < k; ++i) {
    const int byte = static_cast<uint8_t>(i / 2 * 37), code = i % 2 == 0 ? byte & 15 : byte >> 4;
    ASSERT_EQ(w.as<float>()[i], static_cast<float>(code - i / 128)) << i;
  }
}

// 32 elements show two codes each of the 16; 8 blocks show all 256.
TEST(CodePoints, GgufBlocks) {
  for (const char* name : {"q4_0", "q4_1", "q8_0"}) {
    SCOPED_TRACE(name);
    QuantizedTensor q = QuantizedTensor::allocate(*find_format(name), 1, 256);
    const int64_t block_bytes = q.planes[0].bytes() / 8, header = name[3] == '1' ? 4 : 2;
    const uint16_t scale = half(-0.25f), low = half(3.0f);
    for (int64_t b = 0; b < 8; ++b) {
      uint8_t* block = q.planes[0].as<uint8_t>() + b * block_bytes;
      std::memcpy(block, &scale, 2);
      if (header == 4) std::memcpy(block + 2, &low, 2);
      for (int64_t i = header; i < block_bytes; ++i) {
        const int64_t at = i - header;
        block[i] = static_cast<uint8_t>(name[1] == '8' ? b * 32 + at : at | (15 - at) << 4);
      }
    }
    const Tensor w = q.decode();
    for (int i = 0; i < 256; ++i) {
      const int at = i % 32;
      const int nibble = at < 16 ? at : 15 - (at - 16);
      const float expected = name[1] == '8'   ? -0.25f * static_cast<float>(static_cast<int8_t>(i))
                             : name[3] == '1' ? -0.25f * static_cast<float>(nibble) + 3.0f
                                              : -0.25f * static_cast<float>(nibble - 8);
      EXPECT_EQ(w.as<float>()[i], expected) << i;
    }
  }
}

// The scale and the decoded ends of a group of `values` (32, the rest zeros).
struct Ends {
  float scale, low, high;
};
Ends ends_of(ScaleRule rule, float low, float high) {
  const Format& format = *find_format("int4_g32");
  std::vector<float> values(32, 0.0f);
  values[3] = low;
  values[20] = high;
  QuantizedTensor q = QuantizedTensor::allocate(format, 1, 32);
  format.encode_tile(q, {0, 1, 0, 32}, values.data(), 32, rule);
  const Tensor w = q.decode();
  float scale = 0;
  int32_t zero = 0;
  format.group_parameters(q, 0, 1, 0, &scale, &zero);
  return {scale, w.as<float>()[3], w.as<float>()[20]};
}

TEST(ScaleRules, HalfStepPutsTheExtremesHalfAStepBeyondTheCodes) {
  const Ends e = ends_of(ScaleRule::half_step, -7.5f, 7.5f);
  EXPECT_EQ(e.scale, 1.0f);
  EXPECT_EQ(e.low, -8.0f);  // a tie, to the even code
  EXPECT_EQ(e.high, 7.0f);  // the tie's even code is 8: there is none
}

TEST(ScaleRules, WidePutsThePositiveExtremeOnTheHighestCode) {
  const Ends e = ends_of(ScaleRule::wide, -6.8f, 7.0f);
  EXPECT_EQ(e.scale, 1.0f);
  EXPECT_EQ(e.low, -7.0f);
  EXPECT_EQ(e.high, 7.0f);
}

TEST(ScaleRules, NarrowNeverUsesTheLowestCode) {
  // The extreme is code -7 under both rules, unless rounding the scale down moves it beyond -7.5
  // steps.
  const float amax = 7.0f * 1.2f * 0x1p-24f;  // the scale 1.2 * 2^-24 is stored as 2^-24: 8.4 steps
  EXPECT_EQ(ends_of(ScaleRule::wide, -amax, 0).low, -8 * 0x1p-24f);
  EXPECT_EQ(ends_of(ScaleRule::narrow, -amax, 0).low, -7 * 0x1p-24f);
}

TEST(ScaleRules, MinMaxKeepsZeroOnTheGrid) {
  const Format& format = *find_format("int4_g128_asym");
  std::vector<float> values(128, 2.0f);
  values[7] = 3.75f;
  QuantizedTensor q = QuantizedTensor::allocate(format, 1, 128);
  format.encode_tile(q, {0, 1, 0, 128}, values.data(), 128, ScaleRule::min_max);
  float scale = 0;
  int32_t zero = -1;
  format.group_parameters(q, 0, 1, 0, &scale, &zero);
  EXPECT_EQ(scale, 0.25f);  // 3.75 / 15, although the least weight is 2
  EXPECT_EQ(zero, 0);
  EXPECT_EQ(q.decode().as<float>()[0], 2.0f);
  EXPECT_EQ(q.decode().as<float>()[7], 3.75f);
}

TEST(ScaleRules, SignedGivesTheExtremeTheLowestCode) {
  const Format& format = *find_format("q4_0");
  for (const float sign : {1.0f, -1.0f}) {
    std::vector<float> values(32, 0.0f);
    values[9] = sign * 4.0f;
    values[10] = sign * -3.5f;
    QuantizedTensor q = QuantizedTensor::allocate(format, 1, 32);
    format.encode_tile(q, {0, 1, 0, 32}, values.data(), 32, ScaleRule::signed_);
    EXPECT_EQ(q.decode().as<float>()[9], sign * 4.0f);
    EXPECT_EQ(q.decode().as<float>()[10], sign * -3.5f);
  }
}

// A weight of the other sign and the same size has no code: it is clipped, and counted.
TEST(ScaleRules, ASignedScaleIsNegativeWhereTheExtremeIsPositive) {
  const Format& format = *find_format("int4_g32_signed");
  for (const float sign : {1.0f, -1.0f}) {
    std::vector<float> values(32, 0.0f);
    values[4] = sign * 4.0f;
    values[5] = sign * -3.5f;
    values[6] = sign * -3.9f;
    QuantizedTensor q = QuantizedTensor::allocate(format, 1, 32);
    EXPECT_EQ(q.encode(values.data(), 32, ScaleRule::signed_).clipped, 0);
    float scale = 0;
    int32_t zero = 0;
    format.group_parameters(q, 0, 1, 0, &scale, &zero);
    EXPECT_EQ(scale, sign * -0.5f);
    EXPECT_EQ(q.decode().as<float>()[4], sign * 4.0f);
    EXPECT_EQ(q.decode().as<float>()[5], sign * -3.5f);
    EXPECT_EQ(q.decode().as<float>()[6], sign * -3.5f);
  }
  std::vector<float> both(32, 0.0f);
  both[4] = 4.0f;
  both[5] = -4.0f;
  QuantizedTensor q = QuantizedTensor::allocate(format, 1, 32);
  EXPECT_EQ(q.encode(both.data(), 32, ScaleRule::signed_).clipped, 1);
  EXPECT_EQ(q.decode().as<float>()[4], 3.5f);
  EXPECT_EQ(q.decode().as<float>()[5], -4.0f);
}

TEST(ScaleRules, TwoBitsOfEveryKindOnTheirCodes) {
  struct Case {
    const char* name;
    std::vector<float> values, decoded;
  };
  for (const Case& c : {Case{"int2_g32", {1.5f, -1.5f, -1.0f, 0.4f}, {1, -2, -1, 0}},
                        Case{"int2_g32_narrow", {1, -1, 0.6f, -0.4f}, {1, -1, 1, 0}},
                        Case{"int2_g32_signed", {-2, 1, 1.9f, -0.4f}, {-2, 1, 1, 0}},
                        Case{"int2_g32_asym", {2, -1, 0.6f, -0.4f}, {2, -1, 1, 0}}}) {
    std::vector<float> values = c.values;
    values.resize(32, 0.0f);
    QuantizedTensor q = QuantizedTensor::allocate(*find_format(c.name), 1, 32);
    q.encode(values.data(), 32, q.format->scale_rules.front());
    for (size_t i = 0; i < c.decoded.size(); ++i)
      EXPECT_EQ(q.decode().as<float>()[i], c.decoded[i]) << c.name << " " << i;
  }
}

TEST(Schemes, EveryPairParsesAndHasAName) {
  for (const Format& format : all_formats()) {
    for (const Activations activations : all_activations) {
      const Scheme scheme{&format, activations};
      const auto parsed =
          parse_scheme(std::string(format.name) + "@" + std::string(activations_name(activations)));
      ASSERT_TRUE(parsed) << format.name;
      EXPECT_EQ(*parsed, scheme);
      EXPECT_EQ(*parse_scheme(scheme.name()), scheme);
    }
    EXPECT_EQ(parse_scheme(format.name)->activations, format.default_activations);
  }
}

TEST(Schemes, OnlyIntegerGridsOfWholeBlocksOf32MultiplyInt8Codes) {
  const auto input = [](const char* scheme) { return product_input(parse_scheme(scheme).value()); };
  for (const char* scheme : {"int4_g32@int8_block32", "int8_row@int8_block256",
                             "int4_g256_asym@int8_token", "q8_0@int8_tensor", "iq4_nl@int8_token"})
    EXPECT_EQ(input(scheme), ProductInput::int8_blocks) << scheme;
  for (const char* scheme :
       {"int4_g32@f32", "int4_g32@bf16", "int4_g32@mxfp8", "int4_g16@int8_block32",
        "fp8_e4m3_row@int8_token", "q4_k@int8_block256", "f32@int8_token", "nf4@int8_block32"})
    EXPECT_EQ(input(scheme), ProductInput::floats) << scheme;
}

TEST(Schemes, GgufTypesRoundTheirInputAsTheirHomeEngine) {
  for (const Format& format : all_formats()) {
    if (format.gguf_type < 0) continue;
    const Activations expected = format.block == 256  ? Activations::int8_block256
                                 : format.block == 32 ? Activations::int8_block32
                                                      : Activations::f32;
    EXPECT_EQ(format.default_activations, expected) << format.name;
  }
}

// k = 96 does not hold blocks of 256 or 64.
TEST(Schemes, AFallbackKeepsWhatWasAskedForAndElseHasItsOwnDefault) {
  const auto held = [](const char* scheme, int64_t k) {
    return scheme_that_holds(parse_scheme(scheme).value(), k).name();
  };
  EXPECT_EQ(held("q4_k", 256), "q4_k");
  EXPECT_EQ(held("q4_k", 96), "q5_0");
  EXPECT_EQ(held("q4_k", 40), "f16");
  EXPECT_EQ(held("q4_k@f32", 96), "q5_0@f32");
  EXPECT_EQ(held("q4_k@fp8_e4m3_token", 40), "f16@fp8_e4m3_token");
  EXPECT_EQ(held("int4_g128@int8_token", 40), "int4_g128@int8_token");
}

TEST(Schemes, WhatIsChosenOverTheWholeCallDependsOnTheBatch) {
  for (const Activations activations : all_activations) {
    const Scheme scheme{find_format("int4_g32"), activations};
    const auto checked = check_batch_invariant(scheme, "model.layers.0.mlp.up_proj.weight");
    EXPECT_EQ(checked.has_value(), batch_invariant(activations));
    EXPECT_EQ(batch_note(scheme).empty(), checked.has_value());
    if (checked) continue;
    EXPECT_EQ(checked.error().where, "model.layers.0.mlp.up_proj.weight");
    EXPECT_NE(checked.error().what.find("depend on the batch"), std::string::npos);
    EXPECT_NE(checked.error().got.find(scheme.name()), std::string::npos);
    const bool outliers = activations == Activations::int8_outliers_live;
    EXPECT_TRUE(outliers || activations == Activations::int8_tensor);
    EXPECT_TRUE(checked.error().remedy.ends_with(outliers ? "int4_g32@int8_outliers"
                                                          : "int4_g32@int8_token"));
  }
}

TEST(Schemes, ErrorsNameWhatIsThere) {
  const auto format = parse_scheme("int9_g32");
  ASSERT_FALSE(format.has_value());
  EXPECT_EQ(format.error().what, "unknown number format");
  EXPECT_EQ(format.error().got, "int9_g32");
  EXPECT_NE(format.error().wanted.find("int4_g32"), std::string::npos);
  const auto activations = parse_scheme("int4_g32@int7");
  ASSERT_FALSE(activations.has_value());
  EXPECT_EQ(activations.error().what, "unknown activation format");
  EXPECT_EQ(activations.error().wanted, "one of " + activations_names());
}

}  // namespace
}  // namespace farthing
