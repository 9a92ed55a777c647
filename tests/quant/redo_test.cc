// One layer again: it takes its place in what was stored, and nothing else changes.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/support/scratch_folder.h"
#include "io/safetensors/safetensors.h"
#include "quant/quantize.h"
#include "quant/rescaling/rescaling_method.h"

namespace farthing {
namespace {

class Redo : public ::testing::Test {
 protected:
  Result<std::vector<LayerReport>> quantize(const std::string& scheme, const std::string& method,
                                            std::vector<std::string> redo = {},
                                            const char* rescaling = nullptr) {
    ContextOwner owner(2, supported_isas().back());
    const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k");
    QuantizeOptions options;
    options.scheme = parse_scheme(scheme).value();
    options.method = find_algorithm(method);
    if (rescaling != nullptr) options.rescaling = find_rescaling(rescaling);
    return quantize_checkpoint(
        owner.get(), **from, options, to_, quiet_,
        {.calibration = {.samples = 2, .context = 64}, .redo = std::move(redo)});
  }
  std::string text_of(const char* name) const { return read_text_file(to_ / name).value(); }

  ScratchFolder folder_;
  NoProgress quiet_;
  std::filesystem::path to_ = folder_ / "out";
};

constexpr const char* layer = "model.layers.2.mlp.down_proj";

// It sees what the quantized model in front of it gives, as it did in the first run.
TEST_F(Redo, WithTheSameOptionsGivesTheSameBytes) {
  ASSERT_TRUE(quantize("int3_g32", "gptq").has_value());
  const std::string weights = text_of("model.safetensors"), manifest = text_of("farthing.json"),
                    config = text_of("config.json");
  ASSERT_TRUE(quantize("int3_g32", "gptq", {layer, "*.4.self_attn.o_proj"}).has_value());
  EXPECT_EQ(text_of("model.safetensors"), weights);
  EXPECT_EQ(text_of("farthing.json"), manifest);
  EXPECT_EQ(text_of("config.json"), config);
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"out"}));
}

TEST_F(Redo, ChangesTheNamedLinearAlone) {
  const auto first = quantize("int3_g32", "gptq");
  const auto before = SafetensorsFile::open(to_ / "model.safetensors").value();
  const auto again = quantize("int8_g32", "gptq", {layer});
  ASSERT_TRUE(first && again);
  const auto after = SafetensorsFile::open(to_ / "model.safetensors").value();
  for (const auto& entry : after.entries()) {
    const Tensor now = after.tensor(entry.name).value(), then = before.tensor(entry.name).value();
    const bool same = now.bytes() == then.bytes() &&
                      std::equal(now.data(), now.data() + now.bytes(), then.data());
    EXPECT_EQ(same, !entry.name.starts_with(layer)) << entry.name;
  }
  ASSERT_EQ(again->size(), first->size());
  for (size_t i = 0; i < first->size(); ++i) {
    const bool redone = (*first)[i].name == std::string(layer) + ".weight";
    EXPECT_EQ((*again)[i].name, (*first)[i].name);
    EXPECT_EQ((*again)[i].format, redone ? "int8_g32" : "int3_g32");
    if (redone) {
      EXPECT_LT((*again)[i].output_error, 0.01 * (*first)[i].output_error);
    }
  }
}

TEST_F(Redo, TakesLinearsThatSeeNoInputsToo) {
  ASSERT_TRUE(quantize("int4_g32", "rtn").has_value());
  const std::string weights = text_of("model.safetensors");
  ASSERT_TRUE(quantize("int8_g32", "mse", {layer}).has_value());
  EXPECT_NE(text_of("model.safetensors"), weights);
  ASSERT_TRUE(quantize("int4_g32", "rtn", {layer}).has_value());
  EXPECT_EQ(text_of("model.safetensors"), weights);
}

TEST_F(Redo, RefusesARescaledModelAndLeavesIt) {
  ASSERT_TRUE(quantize("int4_g32", "imatrix", {}, "awq").has_value());
  const std::string weights = text_of("model.safetensors");
  const auto again = quantize("int8_g32", "gptq", {layer});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().got, "awq");
  EXPECT_EQ(text_of("model.safetensors"), weights);
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"out"}));
}

TEST_F(Redo, NeedsAnEarlierRunAndAPatternThatFits) {
  const auto nothing = quantize("int8_g32", "gptq", {layer});
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().got, "no farthing.json");
  const auto unknown = quantize("int8_g32", "gptq", {"model.layers.9.*"});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().where, "--redo");
  EXPECT_TRUE(folder_.names().empty());
}

}  // namespace
}  // namespace farthing
