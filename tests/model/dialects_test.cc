// Dialects: directories as other programs write them (data/dialects), value by value, and what is
// said of those whose configuration or tensors are damaged.
#include "model/dialects/dialect.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/support/scratch_folder.h"
#include "io/safetensors/safetensors.h"
#include "io/support/bytes.h"
#include "model/checkpoint.h"
#include "model/support/models.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

const fs::path fixtures_folder = FARTHING_SOURCE_DIR "/tests/model/data/dialects";

std::vector<std::string> fixtures() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(fixtures_folder))
    if (entry.is_directory() && fs::exists(entry.path() / "expected.json"))
      out.push_back(entry.path().filename());
  std::ranges::sort(out);
  return out;
}

// FNV-1a of 64 bits, as data/dialects/tiny_llama.py has it.
std::string digest(const Tensor& tensor) {
  uint64_t value = 0xcbf29ce484222325;
  for (const std::byte byte : tensor.span())
    value = (value ^ static_cast<uint64_t>(byte)) * 0x100000001b3;
  return fmt::format("{:016x}", value);
}

class DialectFixture : public ::testing::TestWithParam<std::string> {
 protected:
  fs::path folder() const { return fixtures_folder / GetParam(); }
};

TEST_P(DialectFixture, HasTheSchemesAndValuesOfTheProgramThatWroteIt) {
  const auto checkpoint = Checkpoint::open(folder());
  ASSERT_TRUE(checkpoint) << checkpoint.error().text();
  const auto text = read_text_file(folder() / "expected.json").value();
  const auto expected = JsonObject::parse(text, "expected.json").value();
  size_t found = 0;
  const TensorSpecs specs = tensors_of((*checkpoint)->config());
  for (const LinearSpec& spec : specs.linears) {
    const auto linear = (*checkpoint)->linear(spec);
    ASSERT_TRUE(linear) << linear.error().text();
    const auto wanted = expected.member(spec.name).value();
    const Scheme scheme{linear->weight.format, linear->activations};
    EXPECT_EQ(fmt::format("{}@{}", scheme.weights->name, activations_name(scheme.activations)),
              wanted.string("scheme").value());
    EXPECT_EQ(digest(linear->weight.decode()), wanted.string("digest").value())
        << spec.name << ": the first values are "
        << fmt::format("{}", fmt::join(std::span(linear->weight.decode().as<float>(), 8), ", "));
    ++found;
  }
  EXPECT_EQ(found, expected.keys().size());
}

TEST_P(DialectFixture, IsListedAsTheMatricesThatTheModelHas) {
  const auto checkpoint = Checkpoint::open(folder()).value();
  std::string kind(checkpoint->kind());
  std::ranges::replace(kind, '-', '_');
  EXPECT_TRUE(GetParam().starts_with(kind)) << kind;
  std::map<std::string, int> listed;
  int64_t bytes = 0;
  for (const StoredTensorInfo& info : checkpoint->tensors()) {
    ++listed[info.name];
    bytes += info.bytes;
    EXPECT_EQ(checkpoint->values(info.name).value().shape(), info.shape) << info.name;
  }
  for (const LinearSpec& spec : tensors_of(checkpoint->config()).linears)
    EXPECT_EQ(listed[spec.name], 1) << spec.name;
  // Everything in the file is some tensor's.
  const auto directory = HuggingFaceDirectory::open(folder()).value();
  int64_t in_file = 0;
  for (const auto& entry : directory.entries()) in_file += entry.end - entry.begin;
  EXPECT_EQ(bytes, in_file);
}

TEST_P(DialectFixture, RunsWithTheSameBitsAtOnceAndTokenByToken) {
  ContextOwner owner(1, Isa::portable);
  const auto model = testing::load_model(owner.get(), folder());
  ASSERT_TRUE(model) << model.error().text();
  const auto tokens = testing::some_tokens(12, (*model)->config().vocabulary_size);
  const auto once = testing::logits_of(owner.get(), **model, tokens, 12),
             each = testing::logits_of(owner.get(), **model, tokens, 1);
  EXPECT_EQ(once, each);
  EXPECT_GT(*std::ranges::max_element(once), 0.1f);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, DialectFixture, ::testing::ValuesIn(fixtures()),
                         [](const auto& name) { return name.param; });

TEST(Dialects, StaticInputsAreTheFilesNumbers) {
  struct Case {
    std::string fixture;
    float scale;
    int32_t zero;
  };
  for (const Case& c : {Case{"compressed_tensors_w8a8_static_asym", 0.05f, -3},
                        {"compressed_tensors_fp8_static", 0.02f, 0},
                        {"compressed_tensors_nvfp4", 1 / 300.0f, 0},  // the file's divides
                        {"auto_round_nvfp4", 1 / 250.0f, 0},
                        {"modelopt_nvfp4", 0.003f, 0},
                        {"quark_fp8_static", std::bit_cast<float>(0x3bf70000), 0},
                        {"quark_int8_static_asym", std::bit_cast<float>(0x3cca05a5), -11},
                        {"quark_nvfp4", std::bit_cast<float>(0x3aa49249), 0},
                        {"modelopt_fp8", 0.0625f, 0},
                        {"fp8_static", 0.0625f, 0}}) {
    const auto checkpoint = Checkpoint::open(fixtures_folder / c.fixture).value();
    const auto linear = checkpoint->linear(tensors_of(checkpoint->config()).linears[0]).value();
    EXPECT_EQ(linear.input, (StaticInput{c.scale, c.zero})) << c.fixture;
  }
}

// A fixture whose configuration says something else, or one of whose tensors is another.
class DamagedDialect : public ::testing::Test {
 protected:
  void copy(const std::string& fixture) {
    fs::remove_all(folder_ / "m");
    fs::copy(fixtures_folder / fixture, folder_ / "m");
  }
  // Replaces the first `from` in a file.
  void edit(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = read_text_file(folder_ / "m" / file).value();
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << file << " has no " << from;
    write_all(folder_ / "m" / file, text.replace(at, from.size(), to));
  }
  Error error() {
    ContextOwner owner(1, Isa::portable);
    const auto model = testing::load_model(owner.get(), folder_ / "m");
    EXPECT_FALSE(model) << "it was loaded";
    return model ? Error{} : model.error();
  }
  Error error_with(const std::string& fixture, const std::string& from, const std::string& to) {
    copy(fixture);
    edit("config.json", from, to);
    return error();
  }
  // With a tensor replaced or added, or left out where it is empty.
  Error error_with_tensor(const std::string& fixture, const std::string& name, Tensor tensor) {
    copy(fixture);
    const auto file =
        SafetensorsFile::open(fixtures_folder / fixture / "model.safetensors").value();
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const auto& entry : file.entries()) {
      if (entry.name != name) tensors.emplace_back(entry.name, file.tensor(entry));
    }
    EXPECT_TRUE(tensor || tensors.size() < file.entries().size()) << name;
    if (tensor) tensors.emplace_back(name, std::move(tensor));
    EXPECT_TRUE(write_safetensors(folder_ / "m" / "model.safetensors", tensors));
    return error();
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  ScratchFolder folder_;
};

const std::string down = "model.layers.0.mlp.down_proj";

// The configuration's own errors: which field, and of what.
TEST_F(DamagedDialect, AWrongFieldIsNamed) {
  struct Case {
    std::string fixture, from, to, field, what;
  };
  const std::string gptq = "gptq_int4_g32", awq = "awq_gemm_g32",
                    packed = "compressed_tensors_w4a16_g32_asym", w8a8 = "compressed_tensors_w8a8";
  for (const Case& c : {
           Case{gptq, "\"bits\": 4,", "", "field bits", "a field is missing"},
           {gptq, "\"bits\": 4", "\"bits\": 9", "field bits", "a bit width that is not read"},
           {gptq, "\"group_size\": 32", "\"group_size\": 0", "field group_size", "none"},
           {gptq, "\"group_size\": 32", "\"group_size\": 40", "_proj", "that no format has"},
           {gptq, "\"gptq\",\n  \"lm", "\"exl2\",\n  \"lm", "checkpoint_format", "not read"},
           {gptq, "int32", "int16", "field pack_dtype", "not read"},
           {gptq, "\"sym\": true", "\"sym\": 1", "field sym", "wrong type"},
           {"gptq_dynamic", "-:.*", "-:(", "dynamic", "no regular expression"},
           {"gptq_dynamic", "v_proj", "q_proj", "field dynamic", "leaves out a module"},
           {"gptq_dynamic", "-:.*\\\\.v_proj", "-:.*\\\\.down_proj", "field dynamic",
            "two overrides"},
           {"gptq_marlin", "\"bits\": 4", "\"bits\": 8", "field bits", "not read"},
           {"gptq_marlin", "\"sym\": true", "\"sym\": false", "field sym", "not read"},
           {"marlin_row", "\"group_size\": -1", "\"group_size\": 0", "group_size", "not read"},
           {"marlin_row", "\"group_size\"", "\"size\"", "field group_size", "missing"},
           {awq, "\"gemm\"", "\"marlin\"", "field version", "not read"},
           {awq, "\"bits\": 4", "\"bits\": 3", "field bits", "not read"},
           {awq, "\"group_size\"", "\"size\"", "field group_size", "a field is missing"},
           {packed, "config_groups", "groups", "field config_groups", "missing"},
           {packed, "targets", "target", "field targets", "missing"},
           {packed, "\"format\": \"pack", "\"format\": \"marlin", "field format", "not read"},
           {packed, "\"type\": \"int\"", "\"type\": \"float\"", "weights", "does not hold"},
           {packed, "\"type\": \"int\"", "\"type\": \"fixed\"", "field type", "none"},
           {packed, "\"group_size\": 32", "\"group_size\": null", "field group_size", "without a"},
           {packed, "\"output_activations\": null", "\"output_activations\": {}", "output_activ",
            "not computed"},
           {packed, "\"ignore\": []", "\"ignore\": [\"re:.*down\"]", "quantization_config",
            "leaves out a module"},
           {packed, "\"ignore\": []", "\"ignore\": [\"re:*\"]", "ignore", "no regular expression"},
           {packed, "\"ignore\"", "\"transform_config\": {}, \"ignore\"", "field transform_config",
            "not computed"},
           {w8a8, "\"token\"", "\"tensor\"", "input_activations", "no format is the same"},
           {"fp8_block", "\"e4m3\"", "\"e5m2\"", "field fmt", "not read"},
           {"fp8_block", "   128,", "   64,", "field weight_block_size", "not read"},
           {"fp8_block", "dynamic", "static", "field activation_scheme", "not read"},
           {"modelopt_fp8", "\"FP8\"", "\"W4A16_AWQ\"", "field quant_algo", "not read"},
           {"modelopt_fp8", "\"quant_algo\"", "\"algo\"", "field quant_algo", "missing"},
           {"modelopt_fp8", "lm_head", "*.up_proj", "quantization_config", "leaves out a module"},
           {"modelopt_mixed", "\"model.layers.0.mlp.up_proj\"", "\"up_proj\"", "quantized_layers",
            "says nothing"},
           {"quark_fp8_static", "\"global_quant_config\"", "\"global\"", "global_quant_config",
            "missing"},
           {"quark_fp8_static", "real_quantized", "fake_quantized", "export.weight_format",
            "not read"},
           {"quark_fp8_static", "\"output_tensors\": null", "\"output_tensors\": {}",
            "field output_tensors", "not computed"},
           {"quark_fp8_static", "\"softmax_quant_spec\": null", "\"softmax_quant_spec\": {}",
            "field softmax_quant_spec", "not read"},
           {"quark_fp8_static", "v_proj", "q_proj", "quantization_config", "leaves out a module"},
           {"quark_fp8_token", "\"per_channel\"", "\"per_tensor\"", "input_tensors",
            "no format is the same"},
           {"quark_int4_g32", "\"reorder\"", "\"shuffle\"", "export.pack_method", "not read"},
           {"quark_int4_g32", "\"int4\"", "\"int3\"", "weight", "no format holds"},
           {"quark_int4_g32", "\"group_size\": 32", "\"group_size\": 0", "group_size", "without a"},
           {"quark_mxfp6", "\"layer_quant_config\": {",
            "\"layer_quant_config\": {\"*mlp.down*\": {\"weight\": null},",
            "field layer_quant_config", "two patterns"},
           {"auto_round_asym", "\"int\"", "\"fp\"", "field data_type", "not read"},
           {"auto_round_mxfp4", "\"group_size\": 32", "\"group_size\": 16", "_proj", "not read"},
           {"auto_round_mxfp4", "\"act_bits\": 4", "\"act_bits\": 6", "_proj", "not read"},
           {"auto_round_mxfp4", "v_proj", "q_proj", "field extra_config", "leaves out a module"},
           {"auto_round_asym", "\"sym\"", "\"rotation_config\": {}, \"sym\"", "rotation_config",
            "not computed"},
           {"auto_round_nvfp4", "\"sym\"", "\"rotation_config\": {}, \"sym\"", "rotation_config",
            "not computed"},
           {"auto_round_asym", "\"auto_round\"", "\"mlx\"", "field packing_format", "not read"},
           {"auto_round_asym", "\"sym\"", "\"act_bits\": 8, \"sym\"", "field act_bits", "not read"},
       }) {
    const Error error = error_with(c.fixture, c.from, c.to);
    EXPECT_TRUE(contains(error.where, c.field)) << c.from << ": " << error.text();
    EXPECT_TRUE(contains(error.what, c.what)) << c.from << ": " << error.text();
    EXPECT_TRUE(contains(error.where, "config.json")) << error.text();
    EXPECT_FALSE(error.remedy.empty());
  }
}

TEST_F(DamagedDialect, AFileOfTheDialectsOwnIsNamed) {
  copy("gptq_int4_g32_asym_v1");
  edit("quantize_config.json", "\"bits\": 4,", "");
  EXPECT_TRUE(contains(error().where, "quantize_config.json, field bits"));
  copy("awq_gemm_row");
  edit("quant_config.json", "w_bit", "bit");
  EXPECT_TRUE(contains(error().where, "quant_config.json, field bits"));
}

TEST_F(DamagedDialect, WithoutATensor) {
  for (const auto& [fixture, tensor] : {std::pair{"gptq_int4_g32", ".scales"},
                                        {"gptq_int4_g32_asym_v1", ".qzeros"},
                                        {"gptq_marlin", ".s"},
                                        {"awq_gemm_g32", ".qzeros"},
                                        {"compressed_tensors_w4a16_g32_asym", ".weight_zero_point"},
                                        {"compressed_tensors_w4a16_g32", ".weight_packed"},
                                        {"compressed_tensors_w8a8", ".weight"},
                                        {"compressed_tensors_nvfp4", ".input_global_scale"},
                                        {"compressed_tensors_fp8_static", ".input_scale"},
                                        {"fp8_block", ".weight_scale_inv"},
                                        {"auto_round_mxfp4", ".weight"},
                                        {"auto_round_nvfp4", ".weight_packed"},
                                        {"auto_round_nvfp4", ".weight_global_scale"},
                                        {"auto_round_nvfp4", ".input_global_scale"},
                                        {"modelopt_nvfp4", ".weight_scale_2"},
                                        {"modelopt_nvfp4", ".input_scale"},
                                        {"quark_fp8_static", ".input_scale"},
                                        {"quark_mxfp4", ".weight_scale"},
                                        {"quark_nvfp4", ".weight_scale_2"},
                                        {"quark_uint4_g32_order", ".weight_zero_point"},
                                        {"bitsandbytes_nf4", ".weight.absmax"},
                                        {"bitsandbytes_nf4", ".weight.quant_map"}}) {
    const Error error = error_with_tensor(fixture, down + tensor, {});
    EXPECT_EQ(error.wanted, "the tensor '" + down + tensor + "'") << fixture << error.text();
  }
}

TEST_F(DamagedDialect, WithATensorOfTheWrongShapeOrType) {
  for (const auto& [fixture, tensor] : {std::pair{"gptq_int4_g32", ".qweight"},
                                        {"gptq_int4_g32", ".scales"},
                                        {"gptq_marlin", ".B"},
                                        {"marlin_row", ".s"},
                                        {"awq_gemm_g32", ".qzeros"},
                                        {"awq_gemv_fast_g64", ".scaled_zeros"},
                                        {"compressed_tensors_w4a16_g32", ".weight_packed"},
                                        {"compressed_tensors_w8a8", ".weight"},
                                        {"compressed_tensors_fp8_block", ".weight_scale"},
                                        {"compressed_tensors_mxfp4", ".weight_scale"},
                                        {"fp8_block", ".weight_scale_inv"},
                                        {"modelopt_nvfp4", ".weight_scale"},
                                        {"quark_mxfp4", ".weight_scale"},
                                        {"quark_int4_g32", ".weight"},
                                        {"quark_uint4_g32_order", ".weight_zero_point"},
                                        {"bitsandbytes_nf4", ".weight.absmax"}}) {
    const auto type = SafetensorsFile::open(fixtures_folder / fixture / "model.safetensors")
                          .value()
                          .find(down + tensor)
                          ->dtype;
    const Error shape = error_with_tensor(fixture, down + tensor, Tensor(type, {3, 7}));
    EXPECT_EQ(shape.got, "[3, 7]") << fixture << ": " << shape.text();
    EXPECT_TRUE(contains(shape.where, down + tensor)) << shape.text();
    const Error wrong = error_with_tensor(fixture, down + tensor, Tensor(DType::i16, {3, 7}));
    EXPECT_EQ(wrong.got, "I16") << fixture << ": " << wrong.text();
  }
}

TEST_F(DamagedDialect, WhoseSymmetryIsNotWhatTheZerosAre) {
  copy("gptq_int4_g32_asym_v1");
  edit("quantize_config.json", "\"sym\": false", "\"sym\": true");
  EXPECT_EQ(error().what, "symmetric weights with zero points");
}

TEST_F(DamagedDialect, WhoseInputsAreRotated) {
  const std::string of_linear = down + ".input_rotation", of_all = "shared_input_rotation_32";
  for (const std::string& name : {of_linear, of_all}) {
    const Error error = error_with_tensor("quark_int8_token", name, Tensor(DType::i8, {32, 32}));
    EXPECT_EQ(error.what, "the weights want inputs that are rotated, which is not computed here");
    EXPECT_TRUE(error.where.ends_with(", tensor " + name)) << error.text();
  }
}

TEST_F(DamagedDialect, WhoseSymmetricCodesHaveAZeroPoint) {
  Tensor zeros(DType::i8, {32});
  zeros.as<int8_t>()[31] = 1;
  const Error error = error_with_tensor("quark_int8_token", down + ".weight_zero_point", zeros);
  EXPECT_EQ(error.what, "symmetric integers with zero points");
  EXPECT_TRUE(error.where.ends_with(down + ".weight_zero_point")) << error.text();
}

TEST_F(DamagedDialect, WhoseSymmetricInputsHaveAZeroPoint) {
  copy("quark_int8_static_asym");
  edit("config.json", "\"symmetric\": false", "\"symmetric\": true");
  const Error error = this->error();
  EXPECT_EQ(error.what, "symmetric integers with zero points");
  EXPECT_TRUE(error.where.ends_with(".input_zero_point")) << error.text();
}

// Readers that know a symmetric zero do not look at qzeros, so files with a wrong name of their
// version exist.
TEST_F(DamagedDialect, SymmetricGptqUnderTheOtherVersionsNameIsTheSame) {
  copy("gptq_int4_g32");
  edit("config.json", "\"checkpoint_format\": \"gptq\"", "\"checkpoint_format\": \"gptq_v2\"");
  const LinearSpec spec{down + ".weight", 32, 160};
  const auto a = Checkpoint::open(folder_ / "m").value()->linear(spec),
             b = Checkpoint::open(fixtures_folder / "gptq_int4_g32").value()->linear(spec);
  ASSERT_TRUE(a) << a.error().text();
  EXPECT_EQ(digest(a->weight.decode()), digest(b->weight.decode()));
}

TEST_F(DamagedDialect, WithAZeroBetweenTwoSteps) {
  const auto file =
      SafetensorsFile::open(fixtures_folder / "awq_gemv_fast_g64/model.safetensors").value();
  const Tensor stored = file.tensor(down + ".scaled_zeros").value();
  Tensor zeros(DType::f16, stored.shape());
  std::memcpy(zeros.data(), stored.data(), static_cast<size_t>(stored.bytes()));
  zeros.as<uint16_t>()[64 + 5] = f16_from_f32(-1000.0f);  // group 1 of output 5
  const Error error = error_with_tensor("awq_gemv_fast_g64", down + ".scaled_zeros", zeros);
  EXPECT_EQ(error.what, "a zero point that is no whole number of steps");
  EXPECT_TRUE(error.where.ends_with(down + ".scaled_zeros, group 1 of output 5")) << error.text();
}

TEST_F(DamagedDialect, WithGroupsOfAnotherSize) {
  const Error error = error_with("gptq_int4_g32", "\"group_size\": 32", "\"group_size\": 64");
  EXPECT_EQ(error.what, "the groups of inputs contradict group_size");
  EXPECT_TRUE(contains(error.where, ".g_idx, input 32")) << error.text();
}

// Groups of 512 are read as runs of smaller ones; inputs in any order have no runs.
TEST_F(DamagedDialect, WithInputsInAnyOrderInGroupsThatNoFormatHas) {
  Tensor of_inputs(DType::i32, {1024});
  for (int i = 0; i < 1024; ++i) of_inputs.as<int32_t>()[i] = i % 2;
  const Error error = error_with_tensor("gptq_int4_g512", down + ".g_idx", of_inputs);
  EXPECT_EQ(error.what, "weights of a bit width and group size that no format has");
  EXPECT_EQ(error.got, "int4_g512_act_order");
  EXPECT_TRUE(contains(error.wanted, "int4_g128_act_order")) << error.text();
}

TEST_F(DamagedDialect, WithAGroupThatThereIsNot) {
  for (const auto& [fixture, tensor, groups] :
       {std::tuple{"gptq_int4_g32_act_order", ".g_idx", 5},
        {"compressed_tensors_w4a16_g32_act_order", ".weight_g_idx", 5}}) {
    Tensor of_inputs(DType::i32, {160});
    for (int i = 0; i < 160; ++i) of_inputs.as<int32_t>()[i] = (i + 32) / 32 % groups;
    of_inputs.as<int32_t>()[33] = groups;
    const Error error = error_with_tensor(fixture, down + tensor, of_inputs);
    EXPECT_EQ(error.what, "the groups of inputs contradict group_size");
    EXPECT_TRUE(error.where.ends_with(down + tensor + ", input 33")) << error.text();
    EXPECT_EQ(error.got, "group 5");
    EXPECT_EQ(error.wanted, "0..4, of 32 inputs each");
  }
}

TEST_F(DamagedDialect, WithAWeightOfAnotherShape) {
  Tensor shape(DType::i64, {2});
  shape.as<int64_t>()[0] = 32;
  shape.as<int64_t>()[1] = 159;
  const Error error =
      error_with_tensor("compressed_tensors_w4a16_g32", down + ".weight_shape", shape);
  EXPECT_EQ(error.got, "[32, 159]");
  EXPECT_EQ(error.wanted, "[32, 160]");
}

TEST_F(DamagedDialect, WithACodeBeyondItsBits) {
  Tensor codes(DType::i8, {32, 160});
  codes.as<int8_t>()[7] = 8;
  const Error error = error_with_tensor("compressed_tensors_w4a8", down + ".weight", codes);
  EXPECT_EQ(error.what, "a code does not fit into its bits");
  EXPECT_EQ(error.wanted, "-8..7, of 4 bits");
}

TEST_F(DamagedDialect, WithAScaleOfZero) {
  for (const auto& [fixture, tensor] :
       {std::pair{"compressed_tensors_nvfp4", ".weight_global_scale"},
        {"compressed_tensors_nvfp4", ".input_global_scale"},
        {"compressed_tensors_w8a8_static_asym", ".input_scale"}}) {
    const Error error = error_with_tensor(fixture, down + tensor, Tensor(DType::f32, {1}));
    EXPECT_EQ(error.what, "a scale is none") << fixture << error.text();
    EXPECT_TRUE(contains(error.where, down + tensor)) << error.text();
  }
}

// The package's table may be another in another version: then the codes mean something else.
TEST_F(DamagedDialect, WithAnotherTableOfNumbers) {
  Tensor table(DType::f32, {16});
  const Error error = error_with_tensor("bitsandbytes_fp4", down + ".weight.quant_map", table);
  EXPECT_EQ(error.what, "a state of bitsandbytes that is not read");
  EXPECT_TRUE(contains(error.where, down + ".weight.quant_map, field 1")) << error.text();
}

TEST_F(DamagedDialect, WithAStateOfOtherBlocksOrAnotherShape) {
  const std::string name = down + ".weight.quant_state.bitsandbytes__nf4";
  for (const auto& [json, field] :
       {std::pair{R"({"blocksize": 128, "shape": [32, 160]})", "field blocksize"},
        {R"({"blocksize": 64, "shape": [160, 32]})", "field shape"},
        {R"({"blocksize": 64})", "field shape"},
        {R"({"blocksize": )", "quant_state"}}) {
    Tensor state(DType::u8, {static_cast<int64_t>(std::strlen(json))});
    std::memcpy(state.data(), json, std::strlen(json));
    const Error error = error_with_tensor("bitsandbytes_nf4", name, state);
    EXPECT_TRUE(contains(error.where, field)) << json << error.text();
    EXPECT_TRUE(contains(error.where, name)) << error.text();
  }
}

TEST_F(DamagedDialect, WithScalesOfMoreExpertsThanBlocks) {
  const std::string stack = "model.layers.0.mlp.experts.down_proj_blocks";
  const Error error = error_with_tensor("mxfp4_gpt_oss", stack, Tensor(DType::u8, {4, 32, 2, 16}));
  EXPECT_TRUE(contains(error.where, "experts.down_proj_scales")) << error.text();
  EXPECT_EQ(error.got, "[5, 32, 2]");
  EXPECT_EQ(error.wanted, "[4, 32, 2]");
}

// E4M3's NaN as a weight, E8M0's as a scale.
TEST_F(DamagedDialect, WithBytesThatAreNotNumbers) {
  Tensor nan(DType::f8_e4m3, {32, 160});
  nan.as<uint8_t>()[9] = 0x7f;
  Tensor scales(DType::u8, {32, 5});
  scales.as<uint8_t>()[9] = 0xff;
  for (const Error& error :
       {error_with_tensor("compressed_tensors_fp8_dynamic", down + ".weight", nan),
        error_with_tensor("compressed_tensors_mxfp8a16", down + ".weight_scale", scales)}) {
    EXPECT_EQ(error.what, "the checkpoint holds weights that are not finite numbers");
    EXPECT_TRUE(contains(error.where, down)) << error.text();
  }
}

}  // namespace
}  // namespace farthing
