// Plans of quantizing: every method and family, and bytes on disk.
#include "advise/quantizing_plan.h"

#include <gtest/gtest.h>

#include <fstream>

#include "advise/outline.h"
#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "model/support/families.h"
#include "quant/method.h"

namespace farthing {
namespace {

QuantizingPlan plan_of(const std::filesystem::path& path, const std::string& scheme,
                       const std::string& method, const CalibrationOptions& calibration) {
  const auto checkpoint = open_outline(path);
  EXPECT_TRUE(checkpoint) << checkpoint.error().text();
  QuantizeOptions options;
  options.scheme = parse_scheme(scheme).value();
  parse_method(method)->apply(options);
  auto plan = plan_quantizing(2, choose_isa().value(), **checkpoint, options, calibration);
  EXPECT_TRUE(plan) << path << " " << plan.error().text();
  return *plan;
}

TEST(QuantizingPlan, EveryFamilyHasOneByEveryKindOfMethod) {
  for (const std::string& family : testing::families())
    for (const char* method : {"rtn", "gptq", "awq"}) {
      const QuantizingPlan plan =
          plan_of(testing::family_path(family) / "config.json", "int4_g32@int8_static", method,
                  {.samples = 2, .context = 16});
      EXPECT_GT(plan.memory, 0) << family;
      EXPECT_GT(plan.output, 0) << family;
      EXPECT_EQ(plan.tokens, 32) << family;
      EXPECT_GE(plan.work, 2 * 32 * 4) << family;  // hidden states of two stages
    }
}

// f32 for what is turned and stays; the head is no longer the embedding.
TEST(QuantizingPlan, ARotatedModelStoresEmbeddingAndHeadInF32) {
  const auto path = std::filesystem::path(FARTHING_SOURCE_DIR "/models/stories260k");
  const auto output = [&](const std::string& rotation) {
    const auto checkpoint = Checkpoint::open(path).value();
    QuantizeOptions options;
    options.scheme = parse_scheme("int4_g32").value();
    options.method = find_algorithm("rtn");
    if (!rotation.empty()) options.rotation = parse_rotation(rotation).value();
    return plan_quantizing(1, choose_isa().value(), *checkpoint, options, {}).value().output;
  };
  const auto checkpoint = Checkpoint::open(path).value();
  const LinearSpec embedding = tensors_of(checkpoint->config()).tables.front();
  const int64_t stored = checkpoint->table(embedding).value().weight.bytes();
  EXPECT_EQ(output("r1") - output(""), 2 * embedding.n * embedding.k * 4 - stored);
  EXPECT_EQ(output("r3,r4"), output(""));
}

TEST(QuantizingPlan, TheWorkFolderHoldsHiddenStatesOfTwoStages) {
  const auto path = std::filesystem::path(FARTHING_SOURCE_DIR "/models/stories260k");
  const auto work = [&](int64_t samples) {
    return plan_of(path, "int4_g32", "imatrix", {.samples = samples, .context = 64}).work;
  };
  // hidden states twice, and what the down projection gets of as many tokens
  EXPECT_EQ(work(10) - work(4), (2 * 64 + 172) * 6 * 64 * 4);
}

TEST(QuantizingPlan, GptqTakesMoreMemoryThanSumsOverColumnsByTwoGramMatrices) {
  ScratchFolder folder;
  std::ofstream(folder / "config.json")
      << R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 256, "intermediate_size": 4096,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
             "vocab_size": 512, "max_position_embeddings": 512, "rms_norm_eps": 1e-5})";
  const CalibrationOptions calibration{.samples = 4, .context = 64};
  const auto memory = [&](const char* method) {
    return plan_of(folder / "config.json", "int4_g32", method, calibration).memory;
  };
  // the inputs' own, and the factor or its panels
  EXPECT_NEAR(static_cast<double>(memory("gptq") - memory("imatrix")) / (4096 * 4096 * 4), 2, 0.25);
}

}  // namespace
}  // namespace farthing
