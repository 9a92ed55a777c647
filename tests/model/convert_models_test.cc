// Converting models that are quantized here: what becomes of roundings, scales and tables, and what
// is refused.
#include "model/dialects/writers/convert.h"

#include <gtest/gtest.h>

#include <cstring>

#include "io/huggingface.h"
#include "io/json.h"
#include "model/support/convert_fixture.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
using testing::Convert;
using testing::fixtures_folder;

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
