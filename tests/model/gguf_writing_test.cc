// write_gguf: models as GGUF files that are read as the same models.
#include "model/gguf/writing.h"

#include <gtest/gtest.h>

#include <map>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "formats/recode.h"
#include "io/gguf/gguf.h"
#include "model/support/families.h"
#include "model/support/models.h"
#include "model/support/tiny_model.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
using testing::families;
using testing::family_path;
using testing::same_bits;
using testing::TinyModel;

const fs::path stories_path = FARTHING_SOURCE_DIR "/models/stories260k";
const fs::path dialects_path = FARTHING_SOURCE_DIR "/tests/model/data/dialects";

Result<> write(const fs::path& from, const fs::path& to) {
  ThreadPool pool(2);
  NoProgress progress;
  return write_gguf(*TRY(Checkpoint::open(from)), to, pool, progress);
}

std::vector<float> logits(const fs::path& path) {
  ContextOwner owner(2, supported_isas().back());
  const auto model = testing::load_model(owner.get(), path);
  if (!model) {
    ADD_FAILURE() << model.error().text();
    return {};
  }
  const auto tokens = testing::some_tokens(40, (*model)->config().vocabulary_size);
  return testing::logits_of(owner.get(), **model, tokens, 40);
}

std::vector<float> values_of(const QuantizedTensor& q) {
  const Tensor values = q.decode();
  return {values.as<float>(), values.as<float>() + q.n * q.k};
}

// A matrix of the file as the checkpoint `from` has it: of gpt-oss experts lie in stacks there,
// gate and up as every second row of one.
Result<std::vector<float>> values_in(Checkpoint& from, const LinearSpec& spec) {
  const size_t at = spec.name.find(".experts.");
  if (from.config().architecture != "gpt_oss" || at == std::string::npos)
    return values_of(TRY(from.linear(spec)).weight);
  const size_t number = std::stoul(spec.name.substr(at + 9));
  const size_t block = std::stoul(spec.name.substr(spec.name.find("layers.") + 7));
  const MlpPlan& expert = from.config().plan.blocks[block].experts.experts[number];
  const bool down = spec.name.find("down_proj") != std::string::npos;
  if (down) return values_of(TRY(from.linear(spec_of(expert.down))).weight);
  const auto both = values_of(TRY(from.linear(spec_of(expert.inputs.at(0)))).weight);
  std::vector<float> out;
  const bool up = spec.name.find("up_proj") != std::string::npos;
  for (int64_t row = up ? 1 : 0; row < 2 * spec.n; row += 2)
    out.insert(out.end(), both.begin() + row * spec.k, both.begin() + (row + 1) * spec.k);
  return out;
}

// Every matrix decodes to the same numbers, every vector is the same.
void expect_same_weights(const fs::path& a, const fs::path& b) {
  const auto from = Checkpoint::open(a), to = Checkpoint::open(b);
  ASSERT_TRUE(from && to);
  const TensorSpecs specs = tensors_of((*to)->config());
  for (const auto* linears : {&specs.tables, &specs.linears})
    for (const LinearSpec& spec : *linears) {
      const auto wanted = values_in(**from, spec);
      const auto got = (*to)->linear(spec);
      ASSERT_TRUE(wanted && got) << spec.name;
      EXPECT_EQ(*wanted, values_of(got->weight)) << spec.name;
    }
  for (const VectorSpec& spec : specs.vectors) {
    const auto got = (*to)->vector(spec);
    ASSERT_TRUE(got) << spec.name;
    if (spec.name.find(".experts.") != std::string::npos) continue;  // logits say of these
    const auto wanted = (*from)->vector(spec);
    ASSERT_TRUE(wanted) << spec.name;
    EXPECT_EQ(std::memcmp(wanted->data(), got->data(), static_cast<size_t>(wanted->bytes())), 0)
        << spec.name;
  }
}

// Writing fails with an error about `part`, and leaves nothing.
void expect_refused(const fs::path& from, const std::string& part, const std::string& got) {
  const ScratchFolder folder;
  const auto written = write(from, folder / "model.gguf");
  ASSERT_FALSE(written.has_value());
  EXPECT_NE(written.error().where.find(from.string()), std::string::npos) << written.error().text();
  EXPECT_NE(written.error().where.find(part), std::string::npos) << written.error().text();
  EXPECT_EQ(written.error().got, got);
  EXPECT_FALSE(written.error().remedy.empty());
  EXPECT_EQ(folder.names(), std::vector<std::string>{});
}

// Nothing in GGUF says these: the part that the error names, and what it is.
const std::map<std::string, std::pair<std::string, std::string>> unsayable_families = {
    {"opt", {"", "opt"}},
    {"mistral", {"block 0, attention, window", "6"}},
    {"qwen2_window", {"block 1, attention, window", "5"}},
    {"qwen3_moe", {"block 0, experts, norm_topk_prob", "false"}},
    {"gemma2_scaled", {"block 0, attention, scale", "0.20412415"}},
    {"deepseek_v2", {"rope, attention_factor", "0.9753496504321066"}}};

class FamilyWritten : public ::testing::TestWithParam<std::string> {};

// Also where constants of positions become factors: those of these models are exact in f32.
TEST_P(FamilyWritten, GivesTheSameBitsOrIsRefused) {
  const fs::path path = family_path(GetParam());
  if (const auto found = unsayable_families.find(GetParam()); found != unsayable_families.end())
    return expect_refused(path, found->second.first, found->second.second);
  const ScratchFolder folder;
  const auto written = write(path, folder / "model.gguf");
  ASSERT_TRUE(written.has_value()) << written.error().text();
  EXPECT_TRUE(same_bits(logits(path), logits(folder / "model.gguf")));
}

INSTANTIATE_TEST_SUITE_P(GgufWriting, FamilyWritten, ::testing::ValuesIn(families()),
                         [](const auto& info) { return info.param; });

// Schemes of which no type of GGUF holds every matrix: what the error says of the first.
const std::map<std::string, std::string> refused_dialects = {
    {"auto_round_asym", "136 steps of the scale"},
    {"auto_round_gptq_asym", "136 steps of the scale"},
    {"bitsandbytes_fp4", "bnb_fp4, 32 inputs"},
    {"bitsandbytes_int8", "the scale 0.0019185224"},
    {"bitsandbytes_int8_no_outliers", "the scale 0.0019185224"},
    {"bitsandbytes_nf4", "nf4, 32 inputs"},
    {"bitsandbytes_nf4_nested", "nf4_dq, 32 inputs"},
    {"compressed_tensors_fp8_block", "fp8_e4m3_block128@fp8_e4m3_g128, 32 inputs"},
    {"compressed_tensors_fp8_dynamic", "fp8_e4m3_row@fp8_e4m3_token, 32 inputs"},
    {"compressed_tensors_fp8_static", "fp8_e4m3_tensor@fp8_e4m3_static, with scales of its input"},
    {"compressed_tensors_mxfp8a16", "mxfp8, 32 inputs"},
    {"compressed_tensors_nvfp4", "nvfp4@nvfp4, 32 inputs"},
    {"compressed_tensors_nvfp4a16", "nvfp4, 32 inputs"},
    {"compressed_tensors_w8a8_static_asym",
     "int8_tensor@int8_static_asym, with scales of its input"},
    {"fp8_block", "fp8_e4m3_block128@fp8_e4m3_g128, 32 inputs"},
    {"fp8_block_ue8m0", "fp8_e4m3_block128@fp8_e4m3_g128, 32 inputs"},
    {"fp8_static", "fp8_e4m3_tensor@fp8_e4m3_static, with scales of its input"},
    {"gptq_int2_g16_v2", "int2_g16, 32 inputs"},
    {"modelopt_fp8", "fp8_e4m3_tensor@fp8_e4m3_static, with scales of its input"},
    {"modelopt_fp8_blocks", "fp8_e4m3_block128, 32 inputs"},
    {"modelopt_fp8_channel", "fp8_e4m3_row@fp8_e4m3_token, 32 inputs"},
    {"modelopt_mixed", "mxfp8@mxfp8, 32 inputs"},
    {"modelopt_nvfp4", "nvfp4@nvfp4, 32 inputs"},
    {"auto_round_mxfp4", "mxfp8@mxfp8, 160 inputs"},
    {"auto_round_nvfp4", "nvfp4@nvfp4, 32 inputs"},
    {"compressed_tensors_w3a16_g32_asym_act_order", "int3_g32_act_order, 160 inputs"},
    {"compressed_tensors_w4a16_g32_act_order", "int4_g32_act_order, 160 inputs"},
    {"compressed_tensors_w4a8_act_order", "int4_g32_act_order@int8_token, 160 inputs"},
    {"gptq_int2_g32_act_order_v2", "int2_g32_act_order, 160 inputs"},
    {"gptq_int3_g32_asym_act_order", "int3_g32_act_order, 160 inputs"},
    {"gptq_int4_g32_act_order", "int4_g32_act_order, 160 inputs"},
    {"gptq_int8_g32_asym_act_order_v2", "int8_g32_act_order, 160 inputs"},
    {"gptq_int4_g512", "int4_g256, 16 inputs"},
    {"quark_fp8_static", "fp8_e4m3_tensor@fp8_e4m3_static, with scales of its input"},
    {"quark_fp8_token", "fp8_e4m3_row@fp8_e4m3_token, 32 inputs"},
    {"quark_int4_g32", "135 steps of the scale"},
    {"quark_int8_static_asym", "int8_tensor@int8_static_asym, with scales of its input"},
    {"quark_mxfp6", "mxfp6_e2m3, 32 inputs"},
    {"quark_nvfp4", "nvfp4@nvfp4, 32 inputs"}};

std::vector<std::string> dialects() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(dialects_path))
    if (entry.is_directory()) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

class DialectWritten : public ::testing::TestWithParam<std::string> {};

TEST_P(DialectWritten, DecodesToTheSameNumbersOrIsRefused) {
  const fs::path path = dialects_path / GetParam();
  if (const auto found = refused_dialects.find(GetParam()); found != refused_dialects.end())
    return expect_refused(path, "model.layers.0.", found->second);
  const ScratchFolder folder;
  const auto written = write(path, folder / "model.gguf");
  ASSERT_TRUE(written.has_value()) << written.error().text();
  expect_same_weights(path, folder / "model.gguf");
}

INSTANTIATE_TEST_SUITE_P(GgufWriting, DialectWritten, ::testing::ValuesIn(dialects()),
                         [](const auto& info) { return info.param; });

TEST(GgufWriting, StoriesKeepsItsWeightsTokensAndLogits) {
  const ScratchFolder folder;
  const auto written = write(stories_path, folder / "model.gguf");
  ASSERT_TRUE(written.has_value()) << written.error().text();
  expect_same_weights(stories_path, folder / "model.gguf");
  EXPECT_TRUE(same_bits(logits(stories_path), logits(folder / "model.gguf")));
  const auto from = Checkpoint::open(stories_path).value();
  const auto to = Checkpoint::open(folder / "model.gguf").value();
  EXPECT_EQ(to->config().bos_token, from->config().bos_token);
  EXPECT_EQ(to->config().eos_token, from->config().eos_token);
  const Tokenizer wanted = from->tokenizer().value(), got = to->tokenizer().value();
  for (const char* text : {"Once upon a time, there was a little girl.", "", " Two  spaces\n\n",
                           "caf\xc3\xa9 \xe4\xb8\xad"})
    for (const bool special : {false, true})
      EXPECT_EQ(got.encode(text, {.add_special_tokens = special}),
                wanted.encode(text, {.add_special_tokens = special}))
          << text;
}

TEST(GgufWriting, MetadataAreThoseThatReadersOfGgufAskFor) {
  const ScratchFolder folder;
  ASSERT_TRUE(write(stories_path, folder / "model.gguf"));
  const GgufFile file = GgufFile::open(folder / "model.gguf").value();
  const GgufMetadata& meta = file.metadata();
  EXPECT_EQ(meta.string("general.architecture").value(), "llama");
  EXPECT_EQ(meta.string("general.name").value(), "stories260k");
  EXPECT_EQ(meta.integer("general.file_type").value(), 0u);
  EXPECT_EQ(meta.integer("general.quantization_version").value(), 2u);
  EXPECT_EQ(meta.integer("llama.rope.dimension_count").value(), 8u);
  EXPECT_EQ(meta.integer("llama.vocab_size").value(), 512u);
  EXPECT_EQ(meta.string("tokenizer.ggml.model").value(), "llama");
  EXPECT_EQ(meta.strings("tokenizer.ggml.tokens").value().size(), 512u);
  EXPECT_TRUE(meta.boolean("tokenizer.ggml.add_bos_token").value());
  EXPECT_EQ(file.find("output.weight"), nullptr);  // tied
}

// The tiny model in a scheme, as `farthing quantize` writes it.
class Quantized : public ::testing::Test {
 protected:
  Quantized() { TinyModel().write_hugging_face(folder_ / "hf"); }
  void quantize(
      const std::string& scheme,
      const std::function<void(QuantizeOptions&)>& change = [](QuantizeOptions&) {}) {
    ContextOwner owner(1, Isa::portable);
    const auto from = Checkpoint::open(folder_ / "hf").value();
    QuantizeOptions options;
    options.scheme = parse_scheme(scheme).value();
    options.method = find_algorithm("rtn");
    change(options);
    NoProgress progress;
    const auto done = quantize_checkpoint(owner.get(), *from, options, folder_ / "q", progress);
    ASSERT_TRUE(done.has_value()) << done.error().text();
  }
  ScratchFolder folder_;
};

TEST_F(Quantized, IntegersBecomeTheSmallestTypeThatHoldsThem) {
  for (const auto& [scheme, type] : std::map<std::string, std::string>{{"int4_g32", "Q4_0"},
                                                                       {"int4_row", "Q4_0"},
                                                                       {"int3_g32_asym", "Q4_0"},
                                                                       {"int4_g32_asym", "Q5_0"},
                                                                       {"int5_g32", "Q5_0"},
                                                                       {"int6_g64", "Q8_0"},
                                                                       {"int8_row", "Q8_0"},
                                                                       {"mxfp4", "MXFP4"},
                                                                       {"q5_1", "Q5_1"},
                                                                       {"iq4_nl", "IQ4_NL"}}) {
    quantize(scheme);
    const auto written = write(folder_ / "q", folder_ / "model.gguf");
    ASSERT_TRUE(written.has_value()) << written.error().text();
    expect_same_weights(folder_ / "q", folder_ / "model.gguf");
    const GgufFile file = GgufFile::open(folder_ / "model.gguf").value();
    EXPECT_EQ(file.find("blk.1.attn_q.weight")->type->name, type) << scheme;
    EXPECT_EQ(file.find("token_embd.weight")->type->name, "F32");
    EXPECT_EQ(file.find("blk.1.attn_norm.weight")->type->name, "F32");
  }
}

// Blocks of NVFP4 have no scale of the tensor, nor one of activations: they lie beside them.
TEST_F(Quantized, ScalesOfATensorLieBesideIt) {
  quantize("nvfp4@nvfp4", [&](QuantizeOptions& options) {
    options.rules = {{.layers = "*", .keep = true},
                     {.layers = "*.down_proj", .scheme = options.scheme}};  // 64 inputs
    auto seen = std::make_shared<Calibration>();
    for (const LinearSpec& spec :
         tensors_of(Checkpoint::open(folder_ / "hf").value()->config()).linears)
      seen->inputs[spec.name] = {{.low = -0.5f, .high = 2}, {}, {}};
    options.calibration = seen;
  });
  const auto written = write(folder_ / "q", folder_ / "model.gguf");
  ASSERT_TRUE(written.has_value()) << written.error().text();
  expect_same_weights(folder_ / "q", folder_ / "model.gguf");
  EXPECT_TRUE(same_bits(logits(folder_ / "q"), logits(folder_ / "model.gguf")));
  const LinearSpec spec{"model.layers.1.mlp.down_proj.weight", 32, 64};
  const auto from = Checkpoint::open(folder_ / "q").value()->linear(spec).value();
  const GgufFile file = GgufFile::open(folder_ / "model.gguf").value();
  EXPECT_EQ(file.find("blk.1.ffn_down.weight")->type->name, "NVFP4");
  EXPECT_EQ(file.find("blk.1.ffn_up.scale"), nullptr);
  EXPECT_EQ(file.plain("blk.1.ffn_down.scale").value().as<float>()[0],
            from.weight.planes[2].as<float>()[0]);
  EXPECT_EQ(file.plain("blk.1.ffn_down.input_scale").value().as<float>()[0], from.input.scale);
}

// A file of the tiny model with one more tensor, a scale.
Result<StoredLinear> linear_with_scale(const ScratchFolder& folder, float scale,
                                       const Shape& shape) {
  TinyModel().write_gguf(folder / "plain.gguf");
  const GgufFile plain = GgufFile::open(folder / "plain.gguf").value();
  GgufMetadataBuilder metadata;
  for (const auto& [key, value] : plain.metadata().values()) metadata.set(key, value);
  std::vector<GgufWriter::Declaration> tensors;
  for (const auto& entry : plain.tensors())
    tensors.push_back({entry.name, entry.type, entry.shape});
  tensors.push_back({"blk.0.ffn_down.scale", gguf_tensor_type("F32"), shape});
  auto writer = GgufWriter::create(folder / "scaled.gguf", metadata, tensors).value();
  for (const auto& entry : plain.tensors())
    EXPECT_TRUE(writer.write(entry.name, plain.bytes(entry).span()));
  const std::vector<float> scales(static_cast<size_t>(shape.elements()), scale);
  EXPECT_TRUE(writer.write("blk.0.ffn_down.scale", std::as_bytes(std::span(scales))));
  EXPECT_TRUE(writer.commit());
  const LinearSpec spec{"model.layers.0.mlp.down_proj.weight", 32, 64};
  return TRY(Checkpoint::open(folder / "scaled.gguf"))->linear(spec);
}

TEST(GgufTensorScales, AreReadOfNvfp4Alone) {
  const ScratchFolder folder;
  EXPECT_TRUE(linear_with_scale(folder, 1, {1}).has_value());
  const auto scaled = linear_with_scale(folder, 0.5f, {1});
  ASSERT_FALSE(scaled.has_value());
  EXPECT_EQ(scaled.error().where,
            (folder / "scaled.gguf").string() + ", tensor blk.0.ffn_down.scale");
  EXPECT_EQ(scaled.error().got, "0.5 of a tensor in f32");
}

TEST(GgufTensorScales, MustBeOnePositiveNumber) {
  const ScratchFolder folder;
  const auto two = linear_with_scale(folder, 1, {2});
  ASSERT_FALSE(two.has_value());
  EXPECT_EQ(two.error().got, "[2]");
  const auto zero = linear_with_scale(folder, 0, {1});
  ASSERT_FALSE(zero.has_value());
  EXPECT_EQ(zero.error().wanted, "a number above 0");
}

TEST_F(Quantized, WhatAReaderCannotBeToldIsRefused) {
  quantize("int4_g32", [](QuantizeOptions& options) { options.rotation = {.r4 = true}; });
  expect_refused(folder_ / "q", "rotation", "r4");
}

TEST_F(Quantized, AMatrixWithoutWholeBlocksIsRefused) {
  TinyModel model;
  model.set("intermediate_size", "48");
  for (const std::string layer : {"0", "1"}) {
    const std::string mlp = "model.layers." + layer + ".mlp.";
    model.tensor(mlp + "gate_proj.weight") = Tensor(DType::f32, {48, 32});
    model.tensor(mlp + "up_proj.weight") = Tensor(DType::f32, {48, 32});
    model.tensor(mlp + "down_proj.weight") = Tensor(DType::f32, {32, 48});
  }
  model.write_hugging_face(folder_ / "hf");
  quantize("int4_g16");
  expect_refused(folder_ / "q", "self_attn.q_proj", "int4_g16, 32 inputs");
  quantize("int4_row");
  expect_refused(folder_ / "q", "mlp.down_proj", "int4_row, 48 inputs");
}

// Mistral's files call themselves Llama's.
TEST(GgufWriting, MistralWithoutAWindowIsWrittenAsLlama) {
  const ScratchFolder folder;
  TinyModel model;
  model.set("architectures", R"(["MistralForCausalLM"])");
  model.set("model_type", R"("mistral")");
  model.set("sliding_window", "null");
  model.write_hugging_face(folder / "hf");
  const auto written = write(folder / "hf", folder / "model.gguf");
  ASSERT_TRUE(written.has_value()) << written.error().text();
  EXPECT_TRUE(same_bits(logits(folder / "hf"), logits(folder / "model.gguf")));
}

TEST(GgufWriting, TokensThatTheVocabularyLacksAreUnused) {
  const ScratchFolder folder;
  TinyModel model;
  model.write_hugging_face(folder / "hf");
  write_all(folder / "hf" / "tokenizer.json",
            R"({"added_tokens": [{"id": 0, "content": "<s>", "special": true}],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
    "model": {"type": "BPE", "byte_fallback": true, "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}})");
  const auto written = write(folder / "hf", folder / "model.gguf");
  ASSERT_TRUE(written.has_value()) << written.error().text();
  const GgufFile file = GgufFile::open(folder / "model.gguf").value();
  const auto tokens = file.metadata().strings("tokenizer.ggml.tokens").value();
  ASSERT_EQ(tokens.size(), 40u);
  EXPECT_EQ(tokens[3], "ab");
  EXPECT_EQ(tokens[39], "[PAD39]");
  EXPECT_EQ(file.metadata().integers("tokenizer.ggml.token_type").value()[39], 5);
  EXPECT_EQ(file.metadata().numbers("tokenizer.ggml.scores").value().size(), 40u);
}

TEST(GgufWriting, ATokenizerThatGgufCannotSayIsRefused) {
  const ScratchFolder folder;
  TinyModel().write_hugging_face(folder / "hf");
  write_all(folder / "hf" / "tokenizer.json",
            R"({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}})");
  expect_refused(folder / "hf", "hf", "a model of the kind WordLevel");
}

// Of any GGUF file: also what this program does not know of it.
TEST(GgufWriting, AGgufFileIsCopied) {
  const ScratchFolder folder;
  const fs::path from = family_path("mixtral") / "quantized.gguf";
  ASSERT_TRUE(write(from, folder / "copy.gguf"));
  const GgufFile a = GgufFile::open(from).value(), b = GgufFile::open(folder / "copy.gguf").value();
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const auto& entry : a.tensors()) {
    const auto* copy = b.find(entry.name);
    ASSERT_NE(copy, nullptr) << entry.name;
    EXPECT_EQ(copy->type, entry.type);
    EXPECT_EQ(copy->shape, entry.shape);
    const Tensor wanted = a.bytes(entry), got = b.bytes(*copy);
    EXPECT_EQ(std::memcmp(wanted.data(), got.data(), static_cast<size_t>(wanted.bytes())), 0);
  }
  ASSERT_EQ(a.metadata().values().size(), b.metadata().values().size());
  for (const auto& [key, value] : a.metadata().values()) {
    const auto copy = b.metadata().values().find(key);
    ASSERT_NE(copy, b.metadata().values().end()) << key;
    EXPECT_EQ(copy->second.type, value.type);
    EXPECT_TRUE(std::ranges::equal(copy->second.bytes, value.bytes)) << key;
  }
}

}  // namespace
}  // namespace farthing
