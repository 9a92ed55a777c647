// Embedding and head by methods that see inputs.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/support/scratch_folder.h"
#include "io/safetensors/safetensors.h"
#include "quant/quantize.h"

namespace farthing {
namespace {

constexpr const char* tied_model = FARTHING_SOURCE_DIR "/models/stories260k";
constexpr const char *embedding = "model.embed_tokens.weight", *head = "lm_head.weight";

class Tables : public ::testing::Test {
 protected:
  // The same function with a head of its own.
  std::filesystem::path untied_model() {
    const std::filesystem::path to = folder_ / "untied";
    std::filesystem::copy(tied_model, to);
    std::string config = read_text_file(to / "config.json").value();
    const std::string tied = "\"tie_word_embeddings\": true";
    const auto at = config.find(tied);
    EXPECT_NE(at, std::string::npos);
    config.replace(at, tied.size(), "\"tie_word_embeddings\": false");
    EXPECT_TRUE(write_text_file(to / "config.json", config));
    const auto file = SafetensorsFile::open(std::string(tied_model) + "/model.safetensors").value();
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const auto& entry : file.entries()) {
      tensors.emplace_back(entry.name, file.tensor(entry.name).value());
      if (entry.name == embedding) tensors.emplace_back(head, tensors.back().second);
    }
    EXPECT_TRUE(write_safetensors(to / "model.safetensors", tensors));
    return to;
  }

  std::map<std::string, LayerReport> quantize(const std::filesystem::path& model,
                                              const std::string& tables, const char* method,
                                              int threads = 2) {
    ContextOwner owner(threads, supported_isas().back());
    const auto from = Checkpoint::open(model);
    QuantizeOptions options;
    options.scheme = parse_scheme("int8_g32").value();
    options.method = find_algorithm(method);
    options.tables = parse_scheme(tables).value();
    NoProgress quiet;
    const auto layers = quantize_checkpoint(owner.get(), **from, options, to_, quiet,
                                            {.calibration = {.samples = 4, .context = 64}});
    EXPECT_TRUE(layers.has_value()) << layers.error().text();
    std::map<std::string, LayerReport> out;
    for (const LayerReport& layer : *layers) out[layer.name] = layer;
    return out;
  }

  ScratchFolder folder_;
  std::filesystem::path to_ = folder_ / "out";
};

TEST_F(Tables, ATiedTableIsFittedToTheHeadsInputs) {
  const auto layers = quantize(tied_model, "int4_g32", "gptq");
  const LayerReport& table = layers.at(embedding);
  EXPECT_EQ(table.tokens, 4 * 64);
  EXPECT_EQ(table.format, "int4_g32");
  EXPECT_LT(table.output_error, 0.9 * table.output_error_before);
  EXPECT_FALSE(layers.contains(head));
  ASSERT_TRUE(Checkpoint::open(to_).has_value());
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"out"}));
}

TEST_F(Tables, AHeadOfItsOwnIsFittedAndItsEmbeddingSearched) {
  const auto model = untied_model();
  const auto rounded = quantize(model, "int4_g32", "rtn");
  const auto layers = quantize(model, "int4_g32", "gptq");
  EXPECT_LT(layers.at(head).output_error, 0.9 * layers.at(head).output_error_before);
  EXPECT_EQ(layers.at(head).tokens, 4 * 64);
  EXPECT_EQ(layers.at(embedding).tokens, 0);
  EXPECT_LT(layers.at(embedding).relative_squared_error,
            rounded.at(embedding).relative_squared_error);
}

// Rows that tokens choose are not multiplied with anything that could be rounded.
TEST_F(Tables, StaticScalesAreTheHeadsAlone) {
  const auto model = untied_model();
  quantize(model, "int8_row@int8_static", "gptq");
  const auto stored = Checkpoint::open(to_).value();
  const TensorSpecs specs = tensors_of(stored->config());
  ASSERT_EQ(specs.tables.size(), 2u);
  const StoredLinear rows = stored->table(specs.tables[0]).value(),
                     outputs = stored->table(specs.tables[1]).value();
  EXPECT_EQ(rows.activations, Activations::f32);
  EXPECT_EQ(outputs.activations, Activations::int8_static);
  EXPECT_GT(outputs.input.scale, 0);
  EXPECT_NE(outputs.input.scale, 1);
}

TEST_F(Tables, TheSameBytesForAnyThreads) {
  quantize(tied_model, "int4_g32", "gptq", 1);
  const std::string one = read_text_file(to_ / "model.safetensors").value();
  quantize(tied_model, "int4_g32", "gptq", 2);
  EXPECT_EQ(read_text_file(to_ / "model.safetensors").value(), one);
}

}  // namespace
}  // namespace farthing
