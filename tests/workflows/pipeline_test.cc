// The pipeline of a recipe: the export serves what the trainer computes, and a difference is seen.
#include "workflows/pipeline.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/cpu.h"
#include "base/support/scratch_folder.h"
#include "engine/generate.h"

namespace farthing {
namespace {

const std::string stories = FARTHING_SOURCE_DIR "/models/stories260k";

class Pipeline : public ::testing::Test {
 protected:
  Result<Recipe> recipe(const std::string& quantization, const std::string& stages) {
    write_all(folder_ / "data.txt",
              "One day a cat sat.\n<|endoftext|>\nA dog ran to the red house and was happy. The "
              "end.\n<|endoftext|>\nLily had a ball. It was blue. She sang to the big cat.\n");
    write_all(folder_ / "recipe.toml",
              "mode = \"qat\"\n[quantization]\n" + quantization +
                  "\n[data]\ncontext = 16\nbatch_tokens = 48\n[[data.source]]\npath = "
                  "\"data.txt\"\n[schedule]\nsteps = 3\n[optimizer]\nlearning_rate = 1e-3\n"
                  "[evaluation]\npath = \"data.txt\"\ntokens = 16\n" +
                  stages);
    return Recipe::read(folder_ / "recipe.toml");
  }
  Result<PipelineResult> run(const Recipe& recipe) {
    const auto from = Checkpoint::open(stories).value();
    NoProgress progress;
    return run_pipeline(owner_.get(), *from, recipe, {.run = folder_ / "run"}, progress);
  }

  ScratchFolder folder_;
  ContextOwner owner_{2, choose_isa().value()};
};

const char* stages =
    "[serve]\nprompts = [\"Once upon a time\", \"One day\"]\nmax_tokens = 9\n"
    "[align]\ntokens = 32\ncontext = 16\n";

TEST_F(Pipeline, TheEngineOnTheExportGivesTheTrainersBits) {
  for (const std::string quantization :
       {"scheme = \"int4_g32_narrow\"", "scheme = \"int4_g128@int8_token\"\nkv_cache = \"int8\""}) {
    const auto result = run(recipe(quantization, stages).value());
    ASSERT_TRUE(result) << result.error().text();
    EXPECT_TRUE(result->aligned());
    EXPECT_EQ(result->largest_difference(), 0);
    EXPECT_EQ(result->alignments.size(), 6 * supported_isas().size());
    EXPECT_EQ(result->alignments[0].tokens, 30);
    std::filesystem::remove_all(folder_ / "run");
  }
}

TEST_F(Pipeline, AnExportOfAnotherStepIsSeen) {
  const Recipe r = recipe("scheme = \"int4_g32\"", stages).value();
  const auto result = run(r);
  ASSERT_TRUE(result) << result.error().text();
  TrainedModel& trained = *result->trained.trained;
  const auto written = Checkpoint::open(result->trained.model).value();
  const Windows windows =
      Windows::of_text(written->tokenizer().value(), load_text(folder_ / "data.txt").value(),
                       {.tokens = 32, .context = 16}, written->config().vocabulary_size)
          .value();
  NoProgress progress;
  const auto pairs = align_trained(trained.model(), *written, windows, {}, progress);
  EXPECT_TRUE(pairs->pairs[0].equal_bits);
  float* master = trained.parameters()[3]->value.as<float>();
  for (int i = 0; i < 64; ++i) master[i] *= -1;
  ASSERT_TRUE(trained.encode(owner_.get()));
  PipelineResult moved;
  moved.alignments = align_trained(trained.model(), *written, windows, {}, progress).value().pairs;
  EXPECT_FALSE(moved.aligned());
  EXPECT_GT(moved.largest_difference(), 0);
  EXPECT_FALSE(moved.alignments[0].equal_bits);
}

TEST(PipelineResult, NotANumberIsADifference) {
  PipelineResult result;
  EXPECT_TRUE(result.aligned());
  Alignment& alignment = result.alignments.emplace_back();
  alignment.max = NAN;
  alignment.logits_compared = true;
  EXPECT_FALSE(result.aligned());
  EXPECT_TRUE(std::isnan(result.largest_difference()));
}

TEST_F(Pipeline, ServedTextIsThatOfTheExportedModelAlone) {
  const auto result = run(recipe("scheme = \"int4_g32\"", stages).value());
  ASSERT_TRUE(result) << result.error().text();
  const auto written = Checkpoint::open(result->trained.model).value();
  const Tokenizer tokenizer = written->tokenizer().value();
  NoProgress progress;
  const auto model = build_model(owner_.get(), written->config(), *written, progress).value();
  ASSERT_EQ(result->served.size(), 2u);
  for (const ServedText& served : result->served) {
    const auto prompt = tokenizer.encode(served.prompt, {.add_special_tokens = true});
    StreamDecoder decoder(tokenizer, true);
    std::string text;
    const auto made = generate(owner_.get(), *model,
                               {.prompt = prompt, .sampling = {.temperature = 0}, .most_tokens = 9},
                               [&](const SampledToken& token) {
                                 text += decoder.feed(token.id);
                                 return true;
                               });
    ASSERT_TRUE(made);
    EXPECT_EQ(served.text, text + decoder.finish());
    EXPECT_EQ(served.tokens, 9);
  }
}

TEST_F(Pipeline, WhatTheStagesNeedIsCheckedBeforeTraining) {
  const auto context = run(recipe("scheme = \"int4_g32\"", "[align]\ncontext = 4096\n").value());
  ASSERT_FALSE(context);
  EXPECT_EQ(context.error().where, "align.context");
  std::string longest = "once";
  for (int i = 0; i < 2000; ++i) longest += " a cat";
  const auto prompt =
      run(recipe("scheme = \"int4_g32\"", "[serve]\nprompts = [\"" + longest + "\"]\n").value());
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().where.find("serve.prompts"), 0u);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(Pipeline, WithoutStagesNothingFollowsTraining) {
  const auto result = run(recipe("scheme = \"int4_g32\"", "").value());
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_TRUE(result->served.empty());
  EXPECT_TRUE(result->alignments.empty());
}

TEST_F(Pipeline, StagesDoNotDecideTheResult) {
  EXPECT_EQ(recipe("scheme = \"int4_g32\"", stages)->settings(),
            recipe("scheme = \"int4_g32\"", "")->settings());
}

TEST_F(Pipeline, KeysOfTheStagesAreChecked) {
  const auto unknown = recipe("scheme = \"int4_g32\"", "[serve]\nprompts = [\"a\"]\ntokens = 3\n");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().got, "serve.tokens");
  const auto none = recipe("scheme = \"int4_g32\"", "[serve]\nmax_tokens = 3\n");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().where.find("serve.prompts"), std::string::npos);
  EXPECT_FALSE(recipe("scheme = \"int4_g32\"", "[align]\ncontext = 1\n"));
}

}  // namespace
}  // namespace farthing
