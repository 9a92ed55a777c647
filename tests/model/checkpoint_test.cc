// Checkpoints: the same model from both file formats, and what is said of damaged ones.
#include "model/checkpoint.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "formats/outliers.h"
#include "io/safetensors/safetensors.h"
#include "model/support/models.h"
#include "model/support/tiny_model.h"

namespace farthing {
namespace {

using testing::TinyModel;

class CheckpointFile : public ::testing::Test {
 protected:
  // The error of opening and building it, if there is one.
  std::optional<Error> error_of(const std::filesystem::path& path) {
    ContextOwner owner(1, Isa::portable);
    auto model = testing::load_model(owner.get(), path);
    if (model) return std::nullopt;
    return model.error();
  }
  Error error_as_hugging_face(const TinyModel& model) {
    model.write_hugging_face(folder_ / "hf");
    const auto error = error_of(folder_ / "hf");
    EXPECT_TRUE(error.has_value()) << "it was opened";
    return error.value_or(Error{});
  }
  Error error_as_gguf(const TinyModel& model) {
    model.write_gguf(folder_ / "model.gguf");
    const auto error = error_of(folder_ / "model.gguf");
    EXPECT_TRUE(error.has_value()) << "it was opened";
    return error.value_or(Error{});
  }
  std::vector<float> logits(const std::filesystem::path& path) {
    ContextOwner owner(1, Isa::portable);
    const auto model = testing::load_model(owner.get(), path);
    if (!model) {
      ADD_FAILURE() << model.error().text();
      return {};
    }
    const auto tokens = testing::some_tokens(20, (*model)->config().vocabulary_size);
    return testing::logits_of(owner.get(), **model, tokens, 20);
  }

  ScratchFolder folder_;
};

TEST_F(CheckpointFile, BothFormatsAreTheSameModel) {
  for (const bool tied : {true, false}) {
    const TinyModel model(tied);
    model.write_hugging_face(folder_ / "hf");
    model.write_gguf(folder_ / "model.gguf");
    const auto a = logits(folder_ / "hf"), b = logits(folder_ / "model.gguf");
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << tied;
    float largest = 0;
    for (const float x : a) largest = std::max(largest, std::fabs(x));
    EXPECT_GT(largest, 0.1f);
  }
}

TEST_F(CheckpointFile, SixteenBitWeightsAreTheirValues) {
  TinyModel model;
  TinyModel rounded;
  for (auto& [name, tensor] : model.tensors) {
    Tensor halves(DType::f16, tensor.shape());
    for (int64_t i = 0; i < tensor.shape().elements(); ++i) {
      halves.as<uint16_t>()[i] = f16_from_f32(tensor.as<float>()[i]);
      rounded.tensor(name).as<float>()[i] = f32_from_f16(halves.as<uint16_t>()[i]);
    }
    tensor = halves;
  }
  model.write_hugging_face(folder_ / "f16");
  rounded.write_hugging_face(folder_ / "f32");
  const auto a = logits(folder_ / "f16"), b = logits(folder_ / "f32");
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

TEST_F(CheckpointFile, NoModelAtThePath) {
  const auto error = error_of(folder_ / "nothing");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->what, "there is no model at this path");
  EXPECT_NE(error->where.find("nothing"), std::string::npos);
}

TEST_F(CheckpointFile, MissingTensor) {
  for (const std::string name :
       {"model.layers.1.mlp.up_proj.weight", "model.layers.0.input_layernorm.weight",
        "model.norm.weight", "model.embed_tokens.weight"}) {
    TinyModel model;
    model.remove_tensor(name);
    const Error error = error_as_hugging_face(model);
    EXPECT_EQ(error.what, "the model has no such tensor");
    EXPECT_EQ(error.wanted, "the tensor '" + name + "'");
  }
  TinyModel model;
  model.remove_tensor("model.layers.1.mlp.up_proj.weight");
  EXPECT_NE(error_as_gguf(model).text().find("blk.1.ffn_up.weight"), std::string::npos);
}

TEST_F(CheckpointFile, ATiedTableMayHaveTheHeadsName) {
  TinyModel model;
  model.write_hugging_face(folder_ / "embedding");
  const Tensor table = model.tensor("model.embed_tokens.weight");
  model.remove_tensor("model.embed_tokens.weight");
  model.tensors.emplace_back("lm_head.weight", table);
  model.write_hugging_face(folder_ / "head");
  EXPECT_EQ(logits(folder_ / "embedding"), logits(folder_ / "head"));
}

TEST_F(CheckpointFile, UntiedModelWithoutAHead) {
  TinyModel model;
  model.set("tie_word_embeddings", "false");
  EXPECT_EQ(error_as_hugging_face(model).wanted, "the tensor 'lm_head.weight'");
}

TEST_F(CheckpointFile, WrongShape) {
  for (const std::string name :
       {"model.layers.0.self_attn.k_proj.weight", "model.layers.1.mlp.down_proj.weight",
        "model.norm.weight", "model.embed_tokens.weight"}) {
    TinyModel model;
    const bool is_vector = model.tensor(name).shape().rank() == 1;
    model.tensor(name) = Tensor(DType::f32, is_vector ? Shape{31} : Shape{31, 24});
    for (const Error& error : {error_as_hugging_face(model), error_as_gguf(model)}) {
      if (name == "model.embed_tokens.weight" && error.where.find("gguf") != std::string::npos) {
        EXPECT_EQ(error.wanted, "[31, 32]");  // the vocabulary is what the tensor has
        continue;
      }
      EXPECT_EQ(error.what, "a tensor has the wrong shape") << error.text();
      EXPECT_EQ(error.got, is_vector ? "[31]" : "[31, 24]");
      EXPECT_NE(error.where.find("weight"), std::string::npos);
    }
  }
}

TEST_F(CheckpointFile, ElementTypeThatWeightsCannotHave) {
  TinyModel model;
  model.tensor("model.layers.0.mlp.gate_proj.weight") = Tensor(DType::i32, {64, 32});
  const Error error = error_as_hugging_face(model);
  EXPECT_EQ(error.what, "a tensor has an element type that weights cannot have");
  EXPECT_EQ(error.got, "I32");
  const Error gguf = error_as_gguf(model);
  EXPECT_EQ(gguf.what, "a tensor has a type that is not read");
  EXPECT_EQ(gguf.got, "I32");
  EXPECT_NE(gguf.where.find("blk.0.ffn_gate.weight"), std::string::npos);
}

TEST_F(CheckpointFile, WeightsThatAreNotFinite) {
  for (const float bad : {NAN, INFINITY}) {
    TinyModel model;
    model.tensor("model.layers.1.self_attn.o_proj.weight").as<float>()[77] = bad;
    for (const Error& error : {error_as_hugging_face(model), error_as_gguf(model)}) {
      EXPECT_EQ(error.what, "the checkpoint holds weights that are not finite numbers");
      EXPECT_EQ(error.got, "1 values or scales that are NaN or infinite");
      EXPECT_NE(error.where.find("o_proj"), std::string::npos);
    }
  }
}

TEST_F(CheckpointFile, NormGainsThatAreNotFinite) {
  TinyModel model;
  model.tensor("model.layers.0.input_layernorm.weight").as<float>()[3] = NAN;
  for (const Error& error : {error_as_hugging_face(model), error_as_gguf(model)}) {
    EXPECT_EQ(error.what, "the checkpoint holds weights that are not finite numbers");
    EXPECT_NE(error.where.find("norm"), std::string::npos);
  }
}

TEST_F(CheckpointFile, UnknownArchitecture) {
  TinyModel model;
  model.set("architectures", "[\"GptForBirds\"]");
  model.gguf_strings["general.architecture"] = "gptforbirds";
  const Error error = error_as_hugging_face(model);
  EXPECT_EQ(error.what, "unknown model architecture");
  EXPECT_EQ(error.got, "GptForBirds");
  EXPECT_NE(error.wanted.find("LlamaForCausalLM"), std::string::npos);
  const Error gguf = error_as_gguf(model);
  EXPECT_EQ(gguf.what, "unknown model architecture");
  EXPECT_EQ(gguf.got, "gptforbirds");
}

struct Lie {
  std::string field, value, what, where;
};

// None of these may crash, or allocate what the file cannot justify.
TEST_F(CheckpointFile, ConfigurationsThatLie) {
  const std::string size = "a size in the model's configuration makes no sense";
  const std::string constant = "a constant in the model's configuration makes no sense";
  const std::string missing = "the model has no such tensor",
                    shape = "a tensor has the wrong shape";
  const Lie lies[] = {
      {"hidden_size", "0", size, "hidden_size"},
      {"hidden_size", "-32", size, "hidden_size"},
      {"hidden_size", "4611686018427387904", size, "hidden_size"},
      {"hidden_size", "64", shape, "embed_tokens"},
      {"intermediate_size", "1000000", shape, "mlp"},
      {"intermediate_size", "1048577", size, "intermediate_size"},
      {"num_hidden_layers", "3", missing, ""},
      {"num_hidden_layers", "4097", size, "num_hidden_layers"},
      {"num_attention_heads", "0", size, "num_attention_heads"},
      {"num_attention_heads", "3", "the attention heads do not fit together", ""},
      {"num_key_value_heads", "5", size, "num_key_value_heads"},
      {"num_key_value_heads", "0", size, "num_key_value_heads"},
      {"head_dim", "7", "the attention heads do not fit together", ""},
      {"head_dim", "258", size, "head_dim"},
      {"head_dim", "16", shape, "q_proj"},
      {"vocab_size", "16777216", shape, "embed_tokens"},
      {"vocab_size", "16777217", size, "vocab_size"},
      {"max_position_embeddings", "0", size, "max_position_embeddings"},
      {"bos_token_id", "-5", "a token id in the model's configuration makes no sense",
       "bos_token_id"},
      {"eos_token_id", "1099511627776", "a token id in the model's configuration makes no sense",
       "eos_token_id"},
      {"rms_norm_eps", "0", constant, ""},
      {"rms_norm_eps", "-0.001", constant, ""},
      {"rope_theta", "0", constant, ""},
      {"rope_scaling", "{\"rope_type\": \"spiral\", \"factor\": 2.0}",
       "unknown kind of rope scaling", "rope_scaling"},
      {"rope_scaling",
       "{\"rope_type\": \"longrope\", \"short_factor\": [1, 2, 3, 0], \"long_factor\": [1]}",
       "the rope scaling in the model's configuration makes no sense", "short_factor[3]"},
      {"rope_scaling",
       "{\"rope_type\": \"longrope\", \"short_factor\": [1, 2, 3], \"long_factor\": [1, 2, 3]}",
       "the configuration contradicts itself", "rope scaling"},
      {"rope_scaling", "{\"rope_type\": \"linear\", \"factor\": -2.0}",
       "the rope scaling in the model's configuration makes no sense", ""},
      {"hidden_act", "\"mish\"", "unknown activation function", "hidden_act"},
      {"attention_bias", "true", missing, ""},
      {"mlp_bias", "true", missing, ""},
  };
  for (const Lie& lie : lies) {
    SCOPED_TRACE(lie.field + " = " + lie.value);
    TinyModel model;
    model.set(lie.field, lie.value);
    reset_peak_memory();
    const auto before = memory_use().peak_bytes;
    const Error error = error_as_hugging_face(model);
    EXPECT_EQ(error.what, lie.what) << error.text();
    EXPECT_NE(error.where.find(lie.where), std::string::npos) << error.text();
    EXPECT_FALSE(error.remedy.empty());
    EXPECT_LT(memory_use().peak_bytes - before, 1 << 20);
  }
}

TEST_F(CheckpointFile, FieldsThatAreMissingOrOfAnotherType) {
  for (const char* field : {"architectures", "hidden_size", "intermediate_size",
                            "num_hidden_layers", "num_attention_heads", "vocab_size"}) {
    for (const char* value : {"", "\"many\"", "[[]]"}) {
      TinyModel model;
      model.set(field, value);
      EXPECT_NE(error_as_hugging_face(model).text().find(field), std::string::npos)
          << field << " " << value;
    }
  }
}

TEST_F(CheckpointFile, GgufMetadataThatLies) {
  const std::string size = "a size in the model's configuration makes no sense";
  for (const auto& [key, value] :
       std::map<std::string, uint32_t>{{"llama.embedding_length", 0},
                                       {"llama.feed_forward_length", 4294967295u},
                                       {"llama.block_count", 100000},
                                       {"llama.attention.head_count", 0},
                                       {"llama.attention.head_count_kv", 77},
                                       {"llama.attention.key_length", 1000}}) {
    TinyModel model;
    model.gguf_numbers[key] = value;
    EXPECT_EQ(error_as_gguf(model).what, size) << key;
  }
  TinyModel model;
  model.gguf_numbers.erase("llama.block_count");
  EXPECT_NE(error_as_gguf(model).text().find("llama.block_count"), std::string::npos);
}

// A directory as `farthing quantize` writes it, with something changed.
class QuantizedDirectory : public CheckpointFile {
 protected:
  QuantizedDirectory() {
    TinyModel().write_hugging_face(folder_ / "hf");
    ContextOwner owner(1, Isa::portable);
    const auto from = Checkpoint::open(folder_ / "hf").value();
    QuantizeOptions options;
    options.scheme = parse_scheme("int4_g32").value();
    options.method = find_algorithm("rtn");
    NoProgress progress;
    const auto written = quantize_checkpoint(owner.get(), *from, options, folder_ / "q", progress);
    EXPECT_TRUE(written.has_value()) << written.error().text();
  }
  // With `from` replaced by `to` in config.json.
  Error error_with_config(const std::string& from, const std::string& to) {
    const auto path = folder_ / "q" / "config.json";
    std::string text = read_all(path);
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write_all(path, text.replace(at, from.size(), to));
    const auto error = error_of(folder_ / "q");
    EXPECT_TRUE(error.has_value()) << "it was opened";
    return error.value_or(Error{});
  }
  // With one tensor replaced, or removed where `tensor` is empty.
  Error error_with_tensor(const std::string& name, const Tensor& tensor) {
    const auto path = folder_ / "q" / "model.safetensors";
    std::vector<std::pair<std::string, Tensor>> tensors;
    {
      const auto file = SafetensorsFile::open(path).value();
      for (const auto& entry : file.entries()) {
        if (entry.name != name) tensors.emplace_back(entry.name, file.tensor(entry));
        if (entry.name == name && tensor) tensors.emplace_back(name, tensor);
      }
      EXPECT_TRUE(write_safetensors(path, tensors).has_value());
    }
    const auto error = error_of(folder_ / "q");
    EXPECT_TRUE(error.has_value()) << "it was opened";
    return error.value_or(Error{});
  }
  const std::string linear_ = "model.layers.0.mlp.gate_proj.weight";
};

TEST_F(QuantizedDirectory, GivesTheLogitsOfQuantizingInMemory) {
  ContextOwner owner(1, Isa::portable);
  const auto model = testing::load_model(owner.get(), folder_ / "hf", "int4_g32").value();
  const auto a = testing::logits_of(owner.get(), *model, testing::some_tokens(20, 40), 20),
             b = logits(folder_ / "q");
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

// gguf_mxfp4 has no plane of scales that says their type: they are f32, and these are below every
// half.
TEST_F(QuantizedDirectory, KeepsScalesThatNoHalfHolds) {
  TinyModel model;
  Tensor& query = model.tensor("model.layers.0.self_attn.q_proj.weight");
  for (int64_t i = 0; i < query.shape().elements(); ++i) query.as<float>()[i] *= 0x1p-30f;
  model.write_hugging_face(folder_ / "small");
  ContextOwner owner(1, Isa::portable);
  QuantizeOptions options;
  options.scheme = parse_scheme("gguf_mxfp4").value();
  options.method = find_algorithm("rtn");
  NoProgress progress;
  const auto from = Checkpoint::open(folder_ / "small").value();
  ASSERT_TRUE(quantize_checkpoint(owner.get(), *from, options, folder_ / "mxfp4", progress));
  const auto stored = Checkpoint::open(folder_ / "mxfp4")
                          .value()
                          ->linear({"model.layers.0.self_attn.q_proj.weight", 32, 32})
                          .value();
  EXPECT_EQ(stored.weight.scale_dtype, DType::f32);
  EXPECT_EQ(stored.activations, Activations::int8_block32);
}

// With static activations of every kind, and parameters that differ from linear to linear.
class StaticDirectory : public QuantizedDirectory {
 protected:
  // Rewrites the directory in `scheme`.
  void quantize(const std::string& scheme) {
    ContextOwner owner(1, Isa::portable);
    const auto from = Checkpoint::open(folder_ / "hf").value();
    QuantizeOptions options;
    options.scheme = parse_scheme(scheme).value();
    options.method = find_algorithm("rtn");
    options.calibration = calibration(*from);
    NoProgress progress;
    const auto written = quantize_checkpoint(owner.get(), *from, options, folder_ / "q", progress);
    ASSERT_TRUE(written.has_value()) << written.error().text();
  }
  static std::shared_ptr<const Calibration> calibration(const Checkpoint& from) {
    auto out = std::make_shared<Calibration>();
    float high = 1;
    for (const LinearSpec& spec : tensors_of(from.config()).linears)
      out->inputs[spec.name] = {{.low = -0.5f, .high = high++}, {}, {7.0f, 1.0f, 6.0f}};
    return out;
  }
};

TEST_F(StaticDirectory, KeepsTheParametersOfEachLinear) {
  for (const Activations activations : all_activations) {
    if (!is_static(activations)) continue;
    for (const char* weights : {"int8_row", "f16", "mxfp4"}) {
      quantize(std::string(weights) + "@" + std::string(activations_name(activations)));
      const auto written = Checkpoint::open(folder_ / "q").value();
      const auto expected = calibration(*written);
      for (const LinearSpec& spec : tensors_of(written->config()).linears) {
        const auto stored = written->linear(spec);
        ASSERT_TRUE(stored) << stored.error().text();
        EXPECT_EQ(stored->activations, activations);
        EXPECT_EQ(stored->input, expected->input_of(spec.name, activations).value()) << spec.name;
      }
    }
  }
}

TEST_F(StaticDirectory, WithoutTheScaleOfALinear) {
  quantize("int8_row@int8_static");
  const Error error = error_with_tensor(linear_ + ".input_scale", Tensor());
  EXPECT_NE(error.where.find(linear_ + ".input_scale"), std::string::npos) << error.text();
  EXPECT_NE(error.what.find("missing"), std::string::npos) << error.text();
}

TEST_F(StaticDirectory, WithoutTheZeroPointOfALinear) {
  quantize("int8_row@int8_static_asym");
  const Error error = error_with_tensor(linear_ + ".input_zero_point", Tensor());
  EXPECT_NE(error.where.find(linear_ + ".input_zero_point"), std::string::npos) << error.text();
}

TEST_F(StaticDirectory, WithAScaleThatIsNone) {
  for (const float scale : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity()}) {
    quantize("nvfp4@nvfp4");
    Tensor wrong(DType::f32, {1});
    wrong.as<float>()[0] = scale;
    const Error error = error_with_tensor(linear_ + ".input_scale", wrong);
    EXPECT_NE(error.where.find(linear_ + ".input_scale"), std::string::npos) << error.text();
  }
}

TEST_F(StaticDirectory, WithAScaleOfAnotherTypeOrShape) {
  quantize("int8_row@int8_static");
  EXPECT_NE(error_with_tensor(linear_ + ".input_scale", Tensor(DType::f16, {1})).what.find("type"),
            std::string::npos);
  quantize("int8_row@int8_static");
  EXPECT_NE(error_with_tensor(linear_ + ".input_scale", Tensor(DType::f32, {2})).what.find("shape"),
            std::string::npos);
}

TEST_F(StaticDirectory, KeepsWhichColumnsAreOutliers) {
  quantize("int8_row@int8_outliers");
  const auto written = Checkpoint::open(folder_ / "q").value();
  const StaticInput input = written->linear(tensors_of(written->config()).linears[0])->input;
  EXPECT_EQ(input.outliers, OutlierColumns({0, 2}));
}

TEST_F(StaticDirectory, WithOutlierColumnsThatAreNone) {
  for (const std::vector<int32_t>& columns :
       std::vector<std::vector<int32_t>>{{2, 0}, {0, 0}, {-1}, {0, 1 << 20}}) {
    quantize("int8_row@int8_outliers");
    Tensor wrong(DType::i32, {static_cast<int64_t>(columns.size())});
    std::copy(columns.begin(), columns.end(), wrong.as<int32_t>());
    const Error error = error_with_tensor(linear_ + ".input_outliers", wrong);
    EXPECT_NE(error.where.find(linear_ + ".input_outliers"), std::string::npos) << error.text();
    EXPECT_NE(error.wanted.find("ascending"), std::string::npos) << error.text();
  }
}

TEST_F(StaticDirectory, WithMoreOutlierColumnsThanColumns) {
  quantize("int8_row@int8_outliers");
  const Error error = error_with_tensor(linear_ + ".input_outliers", Tensor(DType::i32, {1 << 20}));
  EXPECT_NE(error.what.find("shape"), std::string::npos) << error.text();
}

TEST_F(StaticDirectory, WithoutTheThresholdOfOutliersOfACall) {
  quantize("int8_row@int8_outliers_live");
  const auto written = Checkpoint::open(folder_ / "q").value();
  const LinearSpec first = tensors_of(written->config()).linears[0];
  EXPECT_EQ(written->linear(first)->input.outlier_threshold, RangeOptions().outlier_threshold);
  const Error error = error_with_tensor(linear_ + ".input_outlier_threshold", Tensor());
  EXPECT_NE(error.what.find("missing"), std::string::npos) << error.text();
}

TEST_F(QuantizedDirectory, AStaticSchemeWithoutACalibrationIsAnError) {
  ContextOwner owner(1, Isa::portable);
  const auto error = testing::load_model(owner.get(), folder_ / "hf", "int8_row@int8_static");
  ASSERT_FALSE(error.has_value());
  EXPECT_NE(error.error().what.find("calibration"), std::string::npos);
  EXPECT_NE(error.error().remedy.find("farthing quantize"), std::string::npos);
}

TEST_F(QuantizedDirectory, OfALaterVersion) {
  const Error error = error_with_config("\"version\": 1", "\"version\": 2");
  EXPECT_EQ(error.what, "a quantized checkpoint of a dialect that is not read");
  EXPECT_EQ(error.got, "quant_method farthing, version 2");
}

TEST_F(QuantizedDirectory, OfAnotherDialect) {
  EXPECT_EQ(error_with_config("\"quant_method\": \"farthing\"", "\"quant_method\": \"hqq\"").what,
            "a quantized checkpoint of a dialect that is not read");
}

TEST_F(QuantizedDirectory, WithAnUnknownScheme) {
  const Error error = error_with_config("int4_g32@f32", "int9_g32@f32");
  EXPECT_EQ(error.what, "unknown number format");
  EXPECT_NE(error.where.find("quantization_config.linears"), std::string::npos);
}

TEST_F(QuantizedDirectory, ThatNamesALinearTheModelDoesNotHave) {
  const Error error = error_with_config("model.layers.0.mlp.gate_proj.weight",
                                        "model.layers.9.mlp.gate_proj.weight");
  EXPECT_EQ(error.what, "the quantization section names a linear that the model does not have");
  EXPECT_EQ(error.got, "model.layers.9.mlp.gate_proj.weight");
}

TEST_F(QuantizedDirectory, WithoutAPlane) {
  const Error error = error_with_tensor(linear_ + ".scales", {});
  EXPECT_EQ(error.what, "the model has no such tensor");
  EXPECT_EQ(error.wanted, "the tensor '" + linear_ + ".scales'");
}

TEST_F(QuantizedDirectory, WithAPlaneOfTheWrongShape) {
  const Error error = error_with_tensor(linear_ + ".codes", Tensor(DType::u8, {64, 15}));
  EXPECT_EQ(error.what, "a tensor has the wrong shape");
  EXPECT_EQ(error.got, "[64, 15]");
  EXPECT_EQ(error.wanted, "[64, 16]");
}

TEST_F(QuantizedDirectory, WithAPlaneOfTheWrongType) {
  EXPECT_EQ(error_with_tensor(linear_ + ".codes", Tensor(DType::i8, {64, 16})).what,
            "a plane of a quantized matrix has the wrong element type");
}

TEST_F(QuantizedDirectory, WithScalesOfIntegers) {
  EXPECT_EQ(error_with_tensor(linear_ + ".scales", Tensor(DType::i32, {64, 1})).what,
            "a plane of a quantized matrix has the wrong element type");
}

TEST_F(QuantizedDirectory, WithAScaleThatIsNotFinite) {
  Tensor scales(DType::f16, {64, 1});
  scales.as<uint16_t>()[3] = 0x7c00;
  const Error error = error_with_tensor(linear_ + ".scales", scales);
  EXPECT_EQ(error.what, "the checkpoint holds weights that are not finite numbers");
  EXPECT_NE(error.where.find(linear_), std::string::npos);
}

TEST_F(StaticDirectory, WithAGroupOfInputsThatThereIsNot) {
  quantize("int4_g32_act_order");
  Tensor groups(DType::i32, {32});
  EXPECT_TRUE(Checkpoint::open(folder_ / "q").value()->linear({linear_, 64, 32}));
  groups.as<int32_t>()[9] = 1;
  const Error error = error_with_tensor(linear_ + ".groups", groups);
  EXPECT_EQ(error.what, "an input lies in a group that there is not");
  EXPECT_TRUE(error.where.ends_with(linear_ + ".groups, input 9")) << error.text();
}

// Planes whose length depends on the weights.
class OutlierDirectory : public StaticDirectory {
 protected:
  OutlierDirectory() { quantize("spqr3_g16"); }
  QuantizedTensor stored() const {
    return Checkpoint::open(folder_ / "q").value()->linear({linear_, 64, 32}).value().weight;
  }
};

TEST_F(OutlierDirectory, GivesTheLogitsOfQuantizingInMemory) {
  ContextOwner owner(1, Isa::portable);
  const auto model = testing::load_model(owner.get(), folder_ / "hf", "spqr3_g16").value();
  const auto a = testing::logits_of(owner.get(), *model, testing::some_tokens(20, 40), 20),
             b = logits(folder_ / "q");
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
  EXPECT_GT(outlier_count(stored()), 0);
}

TEST_F(OutlierDirectory, WithRowsThatReachBeyondTheOutliers) {
  Tensor rows(DType::i32, {65});
  rows.as<int32_t>()[64] = 1 << 30;
  const Error error = error_with_tensor(linear_ + ".outlier_rows", rows);
  EXPECT_EQ(error.what, "the list of outliers is damaged");
  EXPECT_NE(error.where.find(linear_ + ".outlier_rows"), std::string::npos) << error.text();
}

TEST_F(OutlierDirectory, WithAColumnThatTheMatrixHasNot) {
  const QuantizedTensor weight = stored();
  const Tensor& from = weight.planes[static_cast<size_t>(weight.format->outliers) + 1];
  Tensor columns(DType::u16, from.shape());
  std::memcpy(columns.data(), from.data(), static_cast<size_t>(from.bytes()));
  columns.as<uint16_t>()[from.shape()[0] - 1] = 32;  // the last of its row: still ascending
  const Error error = error_with_tensor(linear_ + ".outlier_columns", columns);
  EXPECT_TRUE(error.got.starts_with("32 in row ")) << error.text();
}

TEST_F(OutlierDirectory, WithMoreValuesThanColumns) {
  const int64_t count = outlier_count(stored());
  const Error error =
      error_with_tensor(linear_ + ".outlier_values", Tensor(DType::f16, {count + 1}));
  EXPECT_EQ(error.what, "the list of outliers is damaged");
  EXPECT_EQ(error.got, fmt::format("{} columns", count));
}

TEST_F(OutlierDirectory, WithValuesOfTwoDimensions) {
  const Error error = error_with_tensor(linear_ + ".outlier_values",
                                        Tensor(DType::f16, {outlier_count(stored()), 1}));
  EXPECT_EQ(error.what, "a tensor has the wrong shape");
}

TEST_F(OutlierDirectory, WithAValueThatIsNotFinite) {
  Tensor values(DType::f16, {outlier_count(stored())});
  values.as<uint16_t>()[0] = 0x7e00;
  EXPECT_EQ(error_with_tensor(linear_ + ".outlier_values", values).what,
            "the checkpoint holds weights that are not finite numbers");
}

}  // namespace
}  // namespace farthing
