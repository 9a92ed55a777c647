// Plans of serving: config.json alone against files, the plan against what loading holds, and
// cards.
#include "advise/serving_plan.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "advise/cards.h"
#include "advise/outline.h"
#include "base/cpu.h"
#include "base/rehearsal.h"
#include "base/support/scratch_folder.h"
#include "model/support/families.h"
#include "model/support/models.h"

namespace farthing {
namespace {

ServingPlan plan_of(const std::filesystem::path& path, const ServingOptions& options) {
  const auto checkpoint = open_outline(path);
  EXPECT_TRUE(checkpoint) << checkpoint.error().text();
  auto plan = plan_serving(2, choose_isa().value(), **checkpoint, options);
  EXPECT_TRUE(plan) << plan.error().text();
  return *plan;
}

ServingOptions quantized(const std::string& scheme) {
  ServingOptions out{.context = 16, .batch = 3};
  out.quantize.emplace().scheme = parse_scheme(scheme).value();
  return out;
}

// A model of 70 billion weights.
std::filesystem::path write_large_config(const std::filesystem::path& folder) {
  std::ofstream(folder / "config.json")
      << R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 8192,
             "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
             "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
             "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";
  return folder / "config.json";
}

TEST(Rehearsal, LeavesJobsOut) {
  ThreadPool pool(2);
  std::atomic<int> parts{0};
  {
    const Rehearsal rehearsal;
    pool.run([&](Part) { ++parts; });
    EXPECT_EQ(parts, 0);
  }
  pool.run([&](Part) { ++parts; });
  EXPECT_EQ(parts, 2);
}

TEST(ServingPlan, ConfigAloneGivesThePlanOfTheFilesForEveryFamily) {
  for (const std::string& family : testing::families()) {
    const auto path = testing::family_path(family);
    for (const ServingOptions& options :
         {ServingOptions{.context = 16, .batch = 3}, quantized("int4_g32@int8_static")}) {
      const ServingPlan files = plan_of(path, options);
      const ServingPlan config = plan_of(path / "config.json", options);
      EXPECT_EQ(files.weights, config.weights) << family;
      EXPECT_EQ(files.stored(), config.stored()) << family;
      EXPECT_EQ(files.parameters, config.parameters) << family;
      EXPECT_EQ(files.workspace, config.workspace) << family;
      EXPECT_EQ(files.kv_cache(), config.kv_cache()) << family;
      EXPECT_EQ(files.mapped, config.mapped) << family;
    }
  }
}

TEST(ServingPlan, WeightsAreWhatLoadingHolds) {
  for (const std::string scheme : {"int4_g32", "q4_0", "nf4", "mxfp4@mxfp8", "f16"}) {
    ContextOwner owner(2, choose_isa().value());
    const int64_t before = memory_use().now_bytes;
    const auto model = testing::stories260k(owner.get(), scheme);
    EXPECT_EQ(plan_of(FARTHING_SOURCE_DIR "/models/stories260k", quantized(scheme)).weights,
              memory_use().now_bytes - before)
        << scheme;
  }
}

TEST(ServingPlan, WorkspaceIsWhatAStepTakes) {
  ContextOwner owner(2, choose_isa().value());
  const auto model = testing::stories260k(owner.get(), "int4_g32");
  Sequence sequence = model->new_sequence(300);
  const auto tokens = testing::some_tokens(300, 512);
  Tensor logits(DType::f32, {1, 512});
  for (int i = 0; i < 2; ++i) {
    sequence = model->new_sequence(300);
    model->forward(owner.get(), sequence, tokens, logits.view<float>());
  }
  ServingOptions options = quantized("int4_g32");
  options.context = 300;
  options.batch = 1;
  EXPECT_EQ(plan_of(FARTHING_SOURCE_DIR "/models/stories260k", options).workspace,
            owner.get().workspace.bytes());
}

// The most that this process had resident since its last reset, in bytes.
int64_t most_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::stoll(line.substr(6));
  ADD_FAILURE() << "no VmHWM";
  return 0;
}
void reset_most_resident() { std::ofstream("/proc/self/clear_refs") << "5"; }

TEST(ServingPlan, AModelBeyondThisMachineTakesNoMemoryToPlan) {
  ScratchFolder folder;
  const auto config = write_large_config(folder / "");
  reset_most_resident();
  const int64_t before = most_resident_bytes();
  ServingOptions options = quantized("int4_g128");
  options.context = 1024;
  const ServingPlan plan = plan_of(config, options);
  EXPECT_EQ(plan.parameters, 70'553'706'496);
  EXPECT_GT(plan.peak(), 35'000'000'000);
  // The tables of 131072 positions are computed: 67 MB.
  EXPECT_LT(most_resident_bytes() - before, 128'000'000);
}

TEST(ServingPlan, AContextBeyondTheModelsIsRefused) {
  const auto checkpoint = open_outline(FARTHING_SOURCE_DIR "/models/stories260k");
  const auto plan = plan_serving(1, Isa::portable, **checkpoint, {.context = 513});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().wanted, "at most 512");
}

TEST(Outline, AnElementTypeThatWeightsCannotHaveIsRefused) {
  ScratchFolder folder;
  std::string text;
  {
    std::ifstream file(write_large_config(folder / ""));
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  text.replace(text.find("bfloat16"), 8, "int4");
  std::ofstream(folder / "config.json") << text;
  const auto outline = open_outline(folder / "config.json");
  ASSERT_FALSE(outline);
  EXPECT_EQ(outline.error().got, "int4");
}

class Cards : public ::testing::Test {
 protected:
  Cards() {
    const auto config = write_large_config(folder_ / "");
    checkpoint_ = std::move(open_outline(config).value());
    ServingOptions options = quantized("int4_g128");
    options.context = 8192;
    plan_ = plan_serving(2, choose_isa().value(), *checkpoint_, options).value();
  }
  CardShare share(const Parallel& parallel) const {
    return share_of(checkpoint_->config(), plan_, KvCodec::f32, parallel);
  }
  ScratchFolder folder_;
  std::unique_ptr<Checkpoint> checkpoint_;
  ServingPlan plan_;
};

TEST_F(Cards, OneCardHoldsWhatIsStoredAndTheWholeCache) {
  EXPECT_EQ(share({}).weights, plan_.stored());
  EXPECT_EQ(share({}).kv_page_bytes, plan_.kv_page_bytes);
}

TEST_F(Cards, TensorParallelDividesWeightsAndHeads) {
  EXPECT_EQ(share({.tensor = 4}).weights, (plan_.stored() + 3) / 4);
  EXPECT_EQ(share({.tensor = 4}).kv_page_bytes, plan_.kv_page_bytes / 4);
  // Eight heads of keys on sixteen cards: each of them twice.
  EXPECT_EQ(share({.tensor = 16}).kv_page_bytes, plan_.kv_page_bytes / 8);
}

TEST_F(Cards, PipelineParallelDividesLayersAndParts) {
  // 80 layers on 3 cards: 27, 27 and 26; one has the embedding too.
  const int64_t blocks = (plan_.blocks_stored * 27 + 79) / 80;
  EXPECT_EQ(share({.pipeline = 3}).weights, blocks + plan_.embedding_stored);
  EXPECT_EQ(share({.pipeline = 3}).kv_page_bytes, plan_.kv_page_bytes / 80 * 27);
}

TEST_F(Cards, FitsExactlyWhereTheCardHoldsAll) {
  const CardShare one = share({});
  const double gib = static_cast<double>(one.bytes(plan_.kv_pages)) / usable_share / 0x1p30;
  const std::vector<Card> cards{{"more", gib * 1.0001}, {"less", gib * 0.9999}};
  const auto fits = fits_of(checkpoint_->config(), plan_, one, cards);
  EXPECT_TRUE(fits[0].fits);
  EXPECT_EQ(fits[0].most_batch, 3);
  EXPECT_EQ(fits[0].most_context, 8192);
  EXPECT_FALSE(fits[1].fits);
  EXPECT_EQ(fits[1].most_batch, 2);
  EXPECT_EQ(fits[1].most_context, 8192 - 64);
}

TEST_F(Cards, HeadsThatCannotBeDividedAreRefused) {
  EXPECT_FALSE(check_parallel(checkpoint_->config(), {.tensor = 3}));
  EXPECT_FALSE(check_parallel(checkpoint_->config(), {.pipeline = 81}));
  EXPECT_TRUE(check_parallel(checkpoint_->config(), {.tensor = 8, .pipeline = 80}));
}

}  // namespace
}  // namespace farthing
