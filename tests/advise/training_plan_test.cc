// Plans of training: every family, and what its parts are.
#include "advise/training_plan.h"

#include <gtest/gtest.h>

#include "advise/outline.h"
#include "base/cpu.h"
#include "model/support/families.h"

namespace farthing {
namespace {

Result<TrainingPlan> plan_of(const std::filesystem::path& path, const Recipe& recipe) {
  const auto checkpoint = TRY(open_outline(path));
  return plan_training(2, choose_isa().value(), *checkpoint, recipe);
}

Recipe recipe_of(int64_t tokens) {
  Recipe out;
  out.precision.linears = parse_scheme("int4_g32").value();
  out.context = 16;
  out.batch_tokens = tokens;
  return out;
}

TEST(TrainingPlan, EveryFamilyHasOneWithoutItsWeights) {
  for (const std::string& family : testing::families()) {
    const auto path = testing::family_path(family);
    const auto config = plan_of(path / "config.json", recipe_of(32));
    const auto files = plan_of(path, recipe_of(32));
    ASSERT_TRUE(config) << family << " " << config.error().text();
    ASSERT_TRUE(files) << family << " " << files.error().text();
    EXPECT_EQ(config->masters, 4 * config->parameters) << family;
    EXPECT_EQ(config->moments, 2 * config->masters) << family;
    EXPECT_EQ(config->state, 3 * config->masters) << family;
    EXPECT_EQ(config->parameters, files->parameters) << family;
    EXPECT_EQ(config->activations, files->activations) << family;
    EXPECT_EQ(config->exported, files->exported) << family;
  }
}

TEST(TrainingPlan, CheckpointingTakesFewerActivations) {
  Recipe recipe = recipe_of(256);
  const auto path = FARTHING_SOURCE_DIR "/models/stories260k";
  const int64_t all = plan_of(path, recipe)->activations;
  recipe.gradient_checkpointing = true;
  EXPECT_LT(plan_of(path, recipe)->activations, all * 2 / 3);
}

TEST(TrainingPlan, AccumulationDividesTheTokensOfAPass) {
  Recipe recipe = recipe_of(256);
  recipe.accumulation = 4;
  EXPECT_EQ(plan_of(FARTHING_SOURCE_DIR "/models/stories260k", recipe)->tokens, 64);
}

TEST(TrainingPlan, AContextBeyondTheModelsIsRefused) {
  Recipe recipe = recipe_of(256);
  recipe.context = 513;
  const auto plan = plan_of(FARTHING_SOURCE_DIR "/models/stories260k", recipe);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().where, "data.context");
}

}  // namespace
}  // namespace farthing
