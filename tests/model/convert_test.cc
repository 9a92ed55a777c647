// Converting: what each dialect takes of each fixture, that it is the same values, and that a
// directory of the dialect itself comes out with the bytes that it had.
#include "model/dialects/writers/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "formats/scale_plane.h"
#include "io/huggingface.h"
#include "model/support/convert_fixture.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
using testing::Convert;
using testing::fixtures_folder;

std::vector<std::string> targets() {
  std::vector<std::string> out;
  for (const DialectTarget& target : all_dialect_targets()) out.emplace_back(target.name);
  std::ranges::sort(out);
  return out;
}

// Every fixture and every dialect that takes it; no other does.
TEST_F(Convert, GivesTheSameValuesOrSaysWhyNot) {
  const std::string integers = "auto-round compressed-tensors gptq gptq_p gptq_v2",
                    with_quark = integers + " quark",
                    four_bits =
                        "auto-round awq awq-gemv compressed-tensors gptq gptq_p gptq_v2 quark",
                    ordered = "compressed-tensors gptq gptq_p gptq_v2",
                    stated = "compressed-tensors quark";
  // modelopt_nvfp4: its scale of inputs is no f32's reciprocal.
  const std::map<std::string, std::string> taken = {
      {"auto_round_asym", with_quark},
      {"auto_round_mxfp4", stated},
      {"auto_round_nvfp4", "compressed-tensors modelopt quark"},
      {"auto_round_gptq", with_quark},
      {"auto_round_gptq_asym", with_quark},
      {"awq_gemm_g32", four_bits},
      {"awq_gemm_g96", four_bits},
      {"awq_gemm_row", "auto-round awq awq-gemv compressed-tensors gptq gptq_p gptq_v2"},
      {"awq_gemv_fast_g64", four_bits},
      {"awq_gemv_g32", four_bits},
      {"bitsandbytes_fp4", "bitsandbytes"},
      {"bitsandbytes_int8", "auto-round bitsandbytes compressed-tensors gptq gptq_p gptq_v2 quark"},
      {"bitsandbytes_int8_no_outliers", "bitsandbytes compressed-tensors quark"},
      {"bitsandbytes_nf4", "bitsandbytes"},
      {"bitsandbytes_nf4_nested", "bitsandbytes"},
      {"compressed_tensors_fp8_block", "compressed-tensors fp8"},
      {"compressed_tensors_fp8_dynamic", "compressed-tensors modelopt quark"},
      {"compressed_tensors_fp8_static", "compressed-tensors fp8 modelopt quark"},
      {"compressed_tensors_mixed", stated},
      {"compressed_tensors_mxfp4", stated},
      {"compressed_tensors_mxfp8a16", stated},
      {"compressed_tensors_nvfp4", "compressed-tensors modelopt quark"},
      {"compressed_tensors_nvfp4a16", "compressed-tensors modelopt quark"},
      {"compressed_tensors_w3a16_channel_asym", integers},
      {"compressed_tensors_w3a16_g32_asym_act_order", ordered},
      {"compressed_tensors_w3a16_g32_legacy", integers},
      {"compressed_tensors_w4a16_g32", four_bits},
      {"compressed_tensors_w4a16_g32_act_order", ordered},
      {"compressed_tensors_w4a16_g32_asym", four_bits},
      {"compressed_tensors_w4a8", stated},
      {"compressed_tensors_w4a8_act_order", "compressed-tensors"},
      {"compressed_tensors_w5a16_channel",
       "auto-round bitsandbytes compressed-tensors gptq gptq_p gptq_v2 quark"},
      {"compressed_tensors_w7a16_g32_asym", with_quark},
      {"compressed_tensors_w8a8", "bitsandbytes compressed-tensors quark"},
      {"compressed_tensors_w8a8_static_asym", stated},
      {"fp8_block", "compressed-tensors fp8"},
      {"fp8_block_ue8m0", "compressed-tensors fp8"},
      {"fp8_static", "compressed-tensors fp8 modelopt quark"},
      {"gptq_dynamic", "compressed-tensors gptq gptq_p gptq_v2 quark"},
      {"gptq_int2_g16_v2", integers},
      {"gptq_int2_g32_act_order_v2", ordered},
      {"gptq_int3_g32_asym_act_order", ordered},
      {"gptq_int3_g32_asym_v1", integers},
      {"gptq_int4_g32", four_bits},
      {"gptq_int4_g32_act_order", ordered},
      {"gptq_int4_g32_asym_v1", four_bits},
      {"gptq_int4_row_asym_v2", "auto-round awq awq-gemv compressed-tensors gptq gptq_p gptq_v2"},
      // 16 inputs: no whole 32 of GPTQ's planes.
      {"gptq_int4_g512", "gptq gptq_v2"},
      {"gptq_int5_g32_planar", with_quark},
      {"gptq_int8_g32_asym_act_order_v2", ordered},
      {"gptq_marlin", "gptq gptq_p gptq_v2 marlin"},
      {"marlin_row", "auto-round awq awq-gemv compressed-tensors gptq gptq_p gptq_v2 marlin"},
      {"modelopt_fp8", "compressed-tensors fp8 modelopt quark"},
      {"modelopt_fp8_blocks", "compressed-tensors modelopt"},
      {"modelopt_fp8_channel", "compressed-tensors modelopt quark"},
      {"modelopt_mixed", "compressed-tensors modelopt quark"},
      {"modelopt_nvfp4", "modelopt quark"},
      {"mxfp4_gpt_oss", "compressed-tensors mxfp4 quark"},
      {"quark_fp8_static", "compressed-tensors fp8 modelopt quark"},
      {"quark_fp8_token", "compressed-tensors modelopt quark"},
      {"quark_int4_g32", "compressed-tensors gptq gptq_p gptq_v2 quark"},
      {"quark_int8_static_asym", stated},
      {"quark_int8_token", "bitsandbytes compressed-tensors quark"},
      {"quark_mxfp4", stated},
      {"quark_mxfp6", "quark"},
      {"quark_nvfp4", "compressed-tensors modelopt quark"},
      {"quark_uint4_g32_order", four_bits},
  };
  for (const auto& entry : fs::directory_iterator(fixtures_folder))
    if (entry.is_directory()) {
      EXPECT_TRUE(taken.contains(entry.path().filename())) << entry.path();
    }
  for (const auto& [fixture, names] : taken) {
    std::string got;
    for (const std::string& name : targets()) {
      const auto conversion = convert(fixtures_folder / fixture, name);
      if (!conversion) {
        EXPECT_FALSE(conversion.error().where.empty()) << conversion.error().text();
        EXPECT_FALSE(conversion.error().remedy.empty()) << conversion.error().text();
        EXPECT_FALSE(fs::exists(out())) << "a refused conversion leaves a folder";
        continue;
      }
      got += (got.empty() ? "" : " ") + name;
      const auto same = same_as(fixtures_folder / fixture);
      EXPECT_TRUE(same) << fixture << " to " << name << ": " << same.error().text();
      fs::remove_all(out());
    }
    EXPECT_EQ(got, names) << fixture;
  }
}

TEST_F(Convert, IntoItsOwnDialectKeepsEveryByte) {
  const std::map<std::string, std::string> own = {{"auto_round_gptq", "auto-round"},
                                                  {"auto_round_asym", "auto-round"},
                                                  {"awq_gemm_g32", "awq"},
                                                  {"awq_gemm_row", "awq"},
                                                  {"awq_gemv_g32", "awq-gemv"},
                                                  {"bitsandbytes_fp4", "bitsandbytes"},
                                                  {"bitsandbytes_int8", "bitsandbytes"},
                                                  {"bitsandbytes_int8_no_outliers", "bitsandbytes"},
                                                  {"bitsandbytes_nf4", "bitsandbytes"},
                                                  {"bitsandbytes_nf4_nested", "bitsandbytes"},
                                                  {"fp8_block", "fp8"},
                                                  {"fp8_block_ue8m0", "fp8"},
                                                  {"fp8_static", "fp8"},
                                                  {"gptq_dynamic", "gptq_v2"},
                                                  {"gptq_int2_g16_v2", "gptq_v2"},
                                                  {"gptq_int3_g32_asym_v1", "gptq"},
                                                  {"gptq_int4_g32", "gptq"},
                                                  {"gptq_int4_g32_asym_v1", "gptq"},
                                                  {"gptq_int4_row_asym_v2", "gptq_v2"},
                                                  {"gptq_int5_g32_planar", "gptq_p"},
                                                  {"modelopt_fp8", "modelopt"},
                                                  {"modelopt_fp8_blocks", "modelopt"},
                                                  {"modelopt_fp8_channel", "modelopt"},
                                                  {"modelopt_mixed", "modelopt"},
                                                  {"modelopt_nvfp4", "modelopt"},
                                                  {"mxfp4_gpt_oss", "mxfp4"},
                                                  {"gptq_int2_g32_act_order_v2", "gptq_v2"},
                                                  {"gptq_int3_g32_asym_act_order", "gptq"},
                                                  {"gptq_int4_g32_act_order", "gptq"},
                                                  {"gptq_int8_g32_asym_act_order_v2", "gptq_v2"},
                                                  {"gptq_marlin", "marlin"},
                                                  {"marlin_row", "marlin"},
                                                  {"quark_fp8_token", "quark"},
                                                  {"quark_int4_g32", "quark"},
                                                  {"quark_int8_static_asym", "quark"},
                                                  {"quark_int8_token", "quark"},
                                                  {"quark_mxfp4", "quark"},
                                                  {"quark_mxfp6", "quark"},
                                                  {"quark_nvfp4", "quark"},
                                                  {"quark_uint4_g32_order", "quark"}};
  size_t compared = 0;
  for (const auto& entry : fs::directory_iterator(fixtures_folder)) {
    const std::string fixture = entry.path().filename();
    const bool packed = fixture.starts_with("compressed_tensors");
    if (!entry.is_directory()) continue;
    if (!packed && !own.contains(fixture)) continue;
    ASSERT_TRUE(convert(entry.path(), packed ? "compressed-tensors" : own.at(fixture))) << fixture;
    expect_same_tensors(entry.path());
    compared += own.contains(fixture);
    fs::remove_all(out());
  }
  EXPECT_EQ(compared, own.size());
}

TEST_F(Convert, IntoItsOwnDialectTheScaleOfInputsKeepsItsType) {
  const std::pair<const char*, const char*> fixtures[] = {
      {"compressed_tensors_fp8_static", "compressed-tensors"},
      {"fp8_static", "fp8"},
      {"modelopt_fp8", "modelopt"},
      {"quark_fp8_static", "quark"}};
  for (const auto& [fixture, dialect] : fixtures)
    for (const DType type : {DType::bf16, DType::f16}) {
      const fs::path from = rewritten(fixture, [&](Tensors& tensors) {
        for (auto& [name, tensor] : tensors) {
          if (!name.ends_with(".input_scale")) continue;
          tensor = Tensor(type, tensor.shape());
          store_scale(tensor, 0, 0.02f);
        }
      });
      ASSERT_TRUE(convert(from, dialect)) << fixture;
      expect_same_tensors(from);
      fs::remove_all(out());
    }
  // Elsewhere it is F32.
  ASSERT_TRUE(convert(folder_ / "rewritten", "fp8"));
  EXPECT_EQ(
      HuggingFaceDirectory::open(out())->find("model.layers.0.mlp.down_proj.input_scale")->dtype,
      DType::f32);
}

TEST_F(Convert, GroupsOfInputsThatGptqLeftOutStayLeftOut) {
  const fs::path from = rewritten("gptq_int4_g32", [](Tensors& tensors) {
    std::erase_if(tensors, [](const auto& named) { return named.first.ends_with(".g_idx"); });
  });
  ASSERT_TRUE(convert(from, "gptq"));
  expect_same_tensors(from);
  fs::remove_all(out());
  ASSERT_TRUE(convert(fixtures_folder / "auto_round_gptq", "gptq"));
  EXPECT_NE(HuggingFaceDirectory::open(out())->find("model.layers.0.mlp.down_proj.g_idx"), nullptr);
}

TEST_F(Convert, ThisProgramsOwnFilesHoldEveryFixture) {
  for (const auto& entry : fs::directory_iterator(fixtures_folder)) {
    if (!entry.is_directory()) continue;
    const auto from = Checkpoint::open(entry.path()).value();
    const auto conversion = convert_to_own(*from, out(), {}, progress_);
    ASSERT_TRUE(conversion) << entry.path() << conversion.error().text();
    const auto same = same_as(entry.path());
    EXPECT_TRUE(same) << entry.path() << same.error().text();
    const auto written = Checkpoint::open(out()).value();
    for (const Conversion::Linear& linear : conversion->linears)
      for (const LinearSpec& spec : tensors_of(written->config()).linears)
        if (spec.name == linear.name) {
          EXPECT_EQ(written->linear(spec)->activations, linear.from.activations) << spec.name;
        }
  }
}

}  // namespace
}  // namespace farthing
