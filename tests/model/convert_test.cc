// Converting: what each dialect takes of each fixture, that it is the same values, and that a
// directory of the dialect itself comes out with the bytes that it had.
#include "model/dialects/writers/convert.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>

#include "base/file.h"
#include "base/support/scratch_folder.h"
#include "formats/scale_plane.h"
#include "io/huggingface.h"
#include "io/json.h"
#include "model/rotation.h"
#include "model/support/models.h"
#include "quant/method.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

const fs::path fixtures_folder = FARTHING_SOURCE_DIR "/tests/model/data/dialects";

class Convert : public ::testing::Test {
 protected:
  Result<Conversion> convert(const fs::path& from, const std::string& to,
                             ConvertOptions options = {}) {
    const auto checkpoint = Checkpoint::open(from);
    if (!checkpoint) return fail(checkpoint.error());
    return convert_checkpoint(**checkpoint, *find_dialect_target(to), out(), options,
                              owner_.get().pool, progress_);
  }
  Result<> same_as(const fs::path& from, bool rounded = false) {
    return check_same_weights(*Checkpoint::open(from).value(), *Checkpoint::open(out()).value(),
                              rounded, progress_);
  }
  fs::path out() const { return folder_ / "out"; }

  // stories260k in this program's own files: its attention in a scheme, as the MLP's 172 rows fill
  // no whole words.
  fs::path stories(const std::string& scheme, const std::string& rotation = "",
                   const std::string& tables = "", const std::string& method = "rtn") {
    const fs::path to = folder_ / "stories";
    fs::remove_all(to);
    QuantizeOptions options;
    options.scheme = parse_scheme(scheme).value();
    parse_method(method)->apply(options);
    options.rules = rules_;
    options.kv_cache = kv_cache_;
    if (!rotation.empty()) options.rotation = parse_rotation(rotation).value();
    if (!tables.empty()) options.tables = parse_scheme(tables).value();
    const auto checkpoint = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k").value();
    const auto done = quantize_checkpoint(owner_.get(), *checkpoint, options, to, progress_,
                                          {.calibration = {.samples = 4, .context = 64}});
    EXPECT_TRUE(done) << done.error().text();
    return to;
  }
  // A fixture with other tensors.
  using Tensors = std::vector<std::pair<std::string, Tensor>>;
  fs::path rewritten(const std::string& fixture, const std::function<void(Tensors&)>& edit) {
    const fs::path to = folder_ / "rewritten";
    fs::remove_all(to);
    fs::copy(fixtures_folder / fixture, to);
    const auto directory = HuggingFaceDirectory::open(fixtures_folder / fixture).value();
    Tensors tensors;
    for (const auto& entry : directory.entries()) {
      const Tensor from = directory.tensor(entry.name).value();
      tensors.emplace_back(entry.name, Tensor(entry.dtype, entry.shape));
      std::memcpy(tensors.back().second.data(), from.data(), static_cast<size_t>(from.bytes()));
    }
    edit(tensors);
    EXPECT_TRUE(write_safetensors(to / "model.safetensors", tensors));
    return to;
  }
  // Every tensor of `from` with its type and bytes, and no other.
  void expect_same_tensors(const fs::path& from) const {
    const auto before = HuggingFaceDirectory::open(from).value(),
               after = HuggingFaceDirectory::open(out()).value();
    EXPECT_EQ(before.entries().size(), after.entries().size()) << from;
    for (const auto& tensor : before.entries()) {
      if (tensor.name.ends_with(".workspace")) continue;  // says nothing
      ASSERT_NE(after.find(tensor.name), nullptr) << from << ", " << tensor.name;
      const Tensor a = before.tensor(tensor.name).value(), b = after.tensor(tensor.name).value();
      EXPECT_EQ(a.dtype(), b.dtype()) << from << ", " << tensor.name;
      ASSERT_EQ(a.bytes(), b.bytes()) << from << ", " << tensor.name;
      EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())), 0)
          << from << ", " << tensor.name;
    }
  }
  Error error(const fs::path& from, const std::string& to, ConvertOptions options = {}) {
    const auto conversion = convert(from, to, options);
    EXPECT_FALSE(conversion) << "it was converted";
    EXPECT_FALSE(fs::exists(out()));
    return conversion ? Error{} : conversion.error();
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  JsonObject config() const {
    const std::string text = read_text_file(out() / "config.json").value();
    return JsonObject::parse(text, "config.json").value();
  }

  ScratchFolder folder_;
  ContextOwner owner_{2, Isa::portable};
  NoProgress progress_;
  std::optional<KvCodec> kv_cache_;
  std::vector<QuantizeRule> rules_ = {{.layers = "*.mlp.*", .keep = true}};
};

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

TEST_F(Convert, IntoGgufAndBackKeepsCodesAndScales) {
  const fs::path from = stories("int4_g32"), file = folder_ / "m.gguf";
  const auto checkpoint = Checkpoint::open(from).value();
  const auto conversion = convert_to_gguf(*checkpoint, file, {}, owner_.get().pool, progress_);
  ASSERT_TRUE(conversion) << conversion.error().text();
  for (const Conversion::Linear& linear : conversion->linears)
    EXPECT_EQ(linear.to.name(), "q4_0") << linear.name;
  EXPECT_TRUE(check_same_weights(*checkpoint, *Checkpoint::open(file).value(), false, progress_));
  ASSERT_TRUE(convert(file, "compressed-tensors"));
  EXPECT_TRUE(same_as(from));
}

TEST_F(Convert, IntoGgufAnotherRoundingIsRefusedUnlessAsked) {
  const auto checkpoint = Checkpoint::open(stories("int8_row@int8_token")).value();
  const fs::path file = folder_ / "m.gguf";
  const auto refused = convert_to_gguf(*checkpoint, file, {}, owner_.get().pool, progress_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().got, "int8_token");
  EXPECT_FALSE(fs::exists(file));
  EXPECT_TRUE(
      convert_to_gguf(*checkpoint, file, {.weight_only = true}, owner_.get().pool, progress_));
}

TEST_F(Convert, IntoGgufStaticScalesOfInputsAreLeftOutWhereThatIsAsked) {
  for (const char* scheme : {"int8_row@int8_static", "nvfp4@nvfp4"}) {
    const auto checkpoint = Checkpoint::open(stories(scheme)).value();
    const fs::path file = folder_ / (std::string(scheme) + ".gguf");
    const auto written =
        convert_to_gguf(*checkpoint, file, {.weight_only = true}, owner_.get().pool, progress_);
    ASSERT_TRUE(written) << scheme << ": " << written.error().text();
    for (const StoredTensorInfo& tensor : Checkpoint::open(file).value()->tensors())
      EXPECT_FALSE(contains(tensor.name, "input_scale")) << tensor.name;
    EXPECT_TRUE(check_same_weights(*checkpoint, *Checkpoint::open(file).value(), true, progress_));
  }
}

TEST_F(Convert, LeavesOutTheRoundingThatAFormatHasByDefault) {
  const fs::path from = stories("q4_0");  // of GGUF's blocks: int8 in blocks of 32
  ASSERT_TRUE(convert(from, "gptq"));
  EXPECT_TRUE(same_as(from));
  const auto written = Checkpoint::open(out()).value();
  EXPECT_EQ(written->linear(tensors_of(written->config()).linears[0])->activations,
            Activations::f32);
}

TEST_F(Convert, RefusesToLeaveOutAnotherRoundingUnlessAsked) {
  const fs::path from = stories("int8_row@int8_token");
  const Error refused = error(from, "gptq");
  EXPECT_TRUE(contains(refused.what, "does not state")) << refused.text();
  EXPECT_TRUE(contains(refused.where, "tensor model.layers.0")) << refused.text();
  EXPECT_EQ(refused.got, "int8_token");
  EXPECT_TRUE(contains(refused.remedy, "--weight-only"));
  EXPECT_TRUE(convert(from, "gptq", {.weight_only = true}));
}

TEST_F(Convert, NamesTheCommandThatBringsAModelIntoTheDialect) {
  const Error refused = error(stories("nf4"), "gptq");
  EXPECT_EQ(refused.got, "nf4@f32");
  EXPECT_TRUE(contains(refused.wanted, "integers of 2, 3, 4, 8 bits")) << refused.text();
  EXPECT_TRUE(contains(refused.remedy, "farthing quantize MODEL --format int4_g128"))
      << refused.text();
}

TEST_F(Convert, AZeroPointOfZeroHasNoPlaceInTheFirstVersionOfGptq) {
  // Weights of one sign, all positive, have the lowest code as their zero.
  const Error refused = error(stories("int2_g16_asym"), "gptq");
  EXPECT_TRUE(contains(refused.what, "zero point of 0")) << refused.text();
  EXPECT_TRUE(contains(refused.where, "tensor model.layers.")) << refused.text();
  EXPECT_TRUE(contains(refused.remedy, "gptq_v2")) << refused.text();
  EXPECT_TRUE(convert(folder_ / "stories", "gptq_v2"));
  EXPECT_TRUE(same_as(folder_ / "stories"));
}

TEST_F(Convert, AScaleWithoutAReciprocalIsRefusedUnlessRoundingIsAllowed) {
  const fs::path from = fixtures_folder / "modelopt_nvfp4";
  const Error refused = error(from, "compressed-tensors");
  EXPECT_TRUE(contains(refused.where, ".input_global_scale")) << refused.text();
  EXPECT_TRUE(contains(refused.remedy, "--allow-rounding"));
  ASSERT_TRUE(convert(from, "compressed-tensors", {.allow_rounding = true}));
  EXPECT_FALSE(same_as(from));
  EXPECT_TRUE(same_as(from, true));
}

// What this program chooses itself has one. MLPs have 172 rows and inputs: NVFP4 takes the
// attention.
TEST_F(Convert, EveryScaleOfNvfp4ThatIsChosenHereHasAReciprocal) {
  for (const char* scheme : {"nvfp4@f32", "nvfp4@nvfp4"}) {
    for (const char* method : {"rtn", "mse", "gptq", "awq"}) {
      const fs::path from = stories(scheme, "", "", method);
      const auto done = convert(from, "compressed-tensors");
      ASSERT_TRUE(done) << scheme << " by " << method << ": " << done.error().text();
      EXPECT_TRUE(same_as(from)) << scheme << " by " << method;
      fs::remove_all(out());
    }
  }
}

TEST_F(Convert, TurningWhileTheModelRunsIsRefused) {
  const Error refused = error(stories("int4_row@int8_token", "r4"), "compressed-tensors");
  EXPECT_EQ(refused.got, "rotated by r4");
}

// Of every dialect but this program's own, which holds it.
TEST_F(Convert, AKvCacheOfTheModelIsRefusedUnlessItMayBeLeftOut) {
  kv_cache_ = KvCodec::int8;
  const fs::path from = stories("int4_g32");
  EXPECT_EQ(error(from, "compressed-tensors").got, "int8");
  const Error refused = error(from, "gptq");
  EXPECT_EQ(refused.got, "int8");
  EXPECT_TRUE(contains(refused.remedy, "--weight-only")) << refused.text();
  const auto checkpoint = Checkpoint::open(from).value();
  const auto gguf =
      convert_to_gguf(*checkpoint, folder_ / "m.gguf", {}, owner_.get().pool, progress_);
  ASSERT_FALSE(gguf);
  EXPECT_EQ(gguf.error().got, "int8");
  EXPECT_TRUE(convert_to_gguf(*checkpoint, folder_ / "m.gguf", {.weight_only = true},
                              owner_.get().pool, progress_));
  EXPECT_TRUE(convert(from, "gptq", {.weight_only = true}));
  EXPECT_TRUE(convert_to_own(*checkpoint, folder_ / "own", {}, progress_));
  EXPECT_EQ(Checkpoint::open(folder_ / "own").value()->kv_cache()->codec, KvCodec::int8);
}

TEST_F(Convert, WhatAFileSaysOfTheKvCacheIsRepeatedOrRefused) {
  const std::string scale = "model.layers.0.self_attn.k_scale";
  const fs::path from = rewritten("compressed_tensors_fp8_static", [&](Tensors& tensors) {
    Tensor of_keys(DType::f32, {1});
    of_keys.as<float>()[0] = 0.25f;
    tensors.emplace_back(scale, std::move(of_keys));
  });
  const std::string field = "\"kv_cache_scheme\": ";
  std::string text = read_text_file(from / "config.json").value();
  text.replace(text.find(field + "null"), field.size() + 4,
               field + R"({"num_bits": 8, "type": "float", "strategy": "tensor"})");
  ASSERT_TRUE(write_text_file(from / "config.json", text));
  EXPECT_TRUE(contains(kv_cache_note(Checkpoint::open(from).value()->stated_kv_cache()),
                       "float of 8 bits (field kv_cache_scheme)"));
  ASSERT_TRUE(convert(from, "compressed-tensors"));
  EXPECT_EQ(config().integer("quantization_config.kv_cache_scheme.num_bits").value(), 8);
  EXPECT_EQ(config().string("quantization_config.kv_cache_scheme.strategy").value(), "tensor");
  EXPECT_EQ(HuggingFaceDirectory::open(out())->tensor(scale)->as<float>()[0], 0.25f);
  fs::remove_all(out());
  EXPECT_TRUE(contains(error(from, "quark").got, "kv_cache_scheme"));
  const auto own = convert_to_own(*Checkpoint::open(from).value(), out(), {}, progress_);
  ASSERT_FALSE(own);
  EXPECT_TRUE(contains(own.error().got, "kv_cache_scheme"));
  ASSERT_TRUE(convert(from, "quark", {.weight_only = true}));
  EXPECT_EQ(HuggingFaceDirectory::open(out())->find(scale), nullptr);
}

TEST_F(Convert, ATiedHeadIsNamedAsPlain) {
  for (const std::string to : {"compressed-tensors", "awq", "gptq", "auto-round", "modelopt"}) {
    ASSERT_TRUE(convert(stories(to == "modelopt" ? "nvfp4" : "int4_g32"), to)) << to;
    EXPECT_TRUE(contains(config().text(), "lm_head")) << to << ": " << config().text();
    fs::remove_all(out());
  }
}

TEST_F(Convert, AShorterLastGroupIsRefusedWhereReadersHaveNone) {
  rules_ = {};  // down projections have 172 inputs
  const Error refused = error(stories("int8_g32"), "compressed-tensors");
  EXPECT_TRUE(contains(refused.where, "mlp.down_proj.weight")) << refused.text();
  EXPECT_EQ(refused.got, "int8_g32 of 172 inputs");
  EXPECT_EQ(refused.wanted, "a multiple of 32 inputs");
  EXPECT_FALSE(refused.remedy.empty());
  ASSERT_TRUE(convert(folder_ / "stories", "gptq"));
  EXPECT_TRUE(same_as(folder_ / "stories"));
}

// In this program's own files each expert has its bias.
TEST_F(Convert, BiasesOfExpertsAreStackedForMxfp4) {
  const fs::path from = fixtures_folder / "mxfp4_gpt_oss", own = folder_ / "own";
  QuantizeOptions options;
  options.scheme = parse_scheme("mxfp4@f32").value();
  options.method = find_algorithm("rtn");
  options.rules = {{.layers = "*self_attn*", .keep = true}, {.layers = "*router*", .keep = true}};
  const auto checkpoint = Checkpoint::open(from).value();
  ASSERT_TRUE(quantize_checkpoint(owner_.get(), *checkpoint, options, own, progress_, {}));
  ASSERT_TRUE(convert(own, "mxfp4"));
  const auto before = HuggingFaceDirectory::open(from).value(),
             after = HuggingFaceDirectory::open(out()).value();
  EXPECT_EQ(before.entries().size(), after.entries().size());
  for (const auto& tensor : before.entries()) {
    ASSERT_NE(after.find(tensor.name), nullptr) << tensor.name;
    EXPECT_EQ(after.find(tensor.name)->shape, tensor.shape) << tensor.name;
  }
  EXPECT_TRUE(same_as(from));
}

TEST_F(Convert, AutoRoundHasZeroPointsInAllLinearsOrInNone) {
  rules_.push_back({.layers = "*.q_proj", .scheme = parse_scheme("int4_g32_asym").value()});
  const Error refused = error(stories("int4_g32"), "auto-round");
  EXPECT_EQ(refused.where, "module model.layers.0.self_attn.q_proj");
  EXPECT_EQ(refused.got, "int4_g32_asym");
  EXPECT_TRUE(contains(refused.wanted, "int4_g32")) << refused.text();
  EXPECT_TRUE(contains(refused.remedy, "gptq_v2")) << refused.text();
}

// Of NVFP4: what rounds inputs by the configuration would leave their scales unrounded without it.
// amd-quark 0.13 refuses a file without it.
TEST_F(Convert, QuarkGetsTheZeroPointOfSymmetricInputsToo) {
  const fs::path model = stories("int8_row@int8_static");
  ASSERT_TRUE(convert(model, "quark"));
  const auto directory = HuggingFaceDirectory::open(out()).value();
  const auto zero = directory.tensor("model.layers.0.self_attn.q_proj.input_zero_point");
  ASSERT_TRUE(zero.has_value()) << zero.error().text();
  EXPECT_EQ(zero->dtype(), DType::i8);
  EXPECT_EQ(zero->as<int8_t>()[0], 0);
  EXPECT_TRUE(same_as(model));
}

TEST_F(Convert, TheTypeOfSmallScalesIsStated) {
  ASSERT_TRUE(convert(fixtures_folder / "compressed_tensors_nvfp4", "compressed-tensors"));
  for (const std::string of : {"weights", "input_activations"})
    EXPECT_EQ(
        config().string("quantization_config.config_groups.group_0." + of + ".scale_dtype").value(),
        "torch.float8_e4m3fn");
}

TEST_F(Convert, PlainWeightsAreRefused) {
  EXPECT_TRUE(contains(error(FARTHING_SOURCE_DIR "/models/stories260k", "gptq").what, "nothing"));
}

TEST_F(Convert, AQuantizedEmbeddingIsRefusedWhereTheDialectHasNone) {
  const fs::path from = stories("int4_g32", "", "int8_row");
  const Error refused = error(from, "gptq");
  EXPECT_TRUE(contains(refused.where, "embed_tokens")) << refused.text();
  ASSERT_TRUE(convert(from, "compressed-tensors"));
  EXPECT_TRUE(same_as(from));
}

// What is written as the section quantization_config.
TEST_F(Convert, SymmetricCodesAreSaidToBeSo) {
  const auto said = [&](const std::string& fixture, const std::string& to) {
    fs::remove_all(out());
    EXPECT_TRUE(convert(fixtures_folder / fixture, to)) << fixture;
    const auto text = read_text_file(out() / "config.json").value();
    return JsonObject::parse(text, "config.json")->object("quantization_config").value();
  };
  const std::string symmetric = "gptq_int4_g32_act_order", other = "gptq_int3_g32_asym_act_order";
  EXPECT_EQ(said(symmetric, "gptq").boolean("sym").value(), true);
  EXPECT_EQ(said(other, "gptq").boolean("sym").value(), false);
  const std::string field = "config_groups.group_0.weights.symmetric";
  const std::string zeros = "model.layers.0.mlp.down_proj.weight_zero_point";
  EXPECT_EQ(said(symmetric, "compressed-tensors").boolean(field).value(), true);
  EXPECT_EQ(HuggingFaceDirectory::open(out())->find(zeros), nullptr);
  EXPECT_EQ(said(other, "compressed-tensors").boolean(field).value(), false);
  EXPECT_NE(HuggingFaceDirectory::open(out())->find(zeros), nullptr);
}

// What --verify would find.
TEST_F(Convert, AnotherValueIsFoundByItsTensor) {
  const fs::path from = fixtures_folder / "gptq_int4_g32";
  ASSERT_TRUE(convert(from, "gptq"));
  const auto file = SafetensorsFile::open(out() / "model.safetensors").value();
  std::vector<std::pair<std::string, Tensor>> tensors;
  const std::string changed = "model.layers.0.mlp.down_proj.scales";
  for (const auto& entry : file.entries()) {
    Tensor tensor(entry.dtype, entry.shape);
    std::memcpy(tensor.data(), file.tensor(entry).data(), static_cast<size_t>(tensor.bytes()));
    if (entry.name == changed) tensor.as<uint16_t>()[0] ^= 1;
    tensors.emplace_back(entry.name, std::move(tensor));
  }
  ASSERT_TRUE(write_safetensors(out() / "model.safetensors", tensors));
  const auto same = same_as(from);
  ASSERT_FALSE(same);
  EXPECT_TRUE(contains(same.error().where, "mlp.down_proj.weight")) << same.error().text();
}

}  // namespace
}  // namespace farthing
