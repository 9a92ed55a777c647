// Sensitivity: a budget is spent where it saves the most, and what is measured is what it says.
#include "workflows/sensitivity/sensitivity.h"

#include <gtest/gtest.h>

#include "base/support/scratch_folder.h"
#include "quant/recipe.h"
#include "quant/stages/quantize_stages.h"

namespace farthing {
namespace {

PartSensitivity part(std::string name, std::vector<PartCost> costs) {
  PartSensitivity out;
  out.name = std::move(name);
  out.costs = std::move(costs);
  return out;
}

TEST(Allocate, SpendsWhereAByteSavesTheMost) {
  // 10 bytes more save 5 in a, 1 in b
  std::vector<PartSensitivity> parts{part("a", {{6, 10}, {1, 20}}), part("b", {{2, 10}, {1, 20}})};
  ASSERT_TRUE(allocate(parts, 20));
  EXPECT_EQ(parts[0].chosen, 0u);
  EXPECT_EQ(parts[1].chosen, 0u);
  ASSERT_TRUE(allocate(parts, 30));
  EXPECT_EQ(parts[0].chosen, 1u);
  EXPECT_EQ(parts[1].chosen, 0u);
  ASSERT_TRUE(allocate(parts, 40));
  EXPECT_EQ(parts[1].chosen, 1u);
  EXPECT_FALSE(allocate(parts, 19));
}

// The middle format lies above the line between the other two: no budget that fits the last buys
// it.
TEST(Allocate, PassesOverAFormatThatIsNotWorthIt) {
  std::vector<PartSensitivity> parts{part("a", {{10, 10}, {9, 20}, {0, 30}})};
  ASSERT_TRUE(allocate(parts, 30));
  EXPECT_EQ(parts[0].chosen, 2u);
  ASSERT_TRUE(allocate(parts, 29));
  EXPECT_EQ(parts[0].chosen, 1u);
}

TEST(Allocate, AFormatThatIsLargerAndWorseIsNeverChosen) {
  std::vector<PartSensitivity> parts{part("a", {{1, 10}, {2, 20}})};
  ASSERT_TRUE(allocate(parts, 100));
  EXPECT_EQ(parts[0].chosen, 0u);
}

SensitivityReport measured(SensitivityPart by, std::optional<double> bits,
                           std::optional<std::filesystem::path> output = {},
                           std::vector<std::string> formats = {"int4_g32", "int3_g32",
                                                               "int8_g32"}) {
  ContextOwner owner(2, supported_isas().back());
  NoProgress quiet;
  const auto report = sensitivity(owner.get(),
                                  {.model = FARTHING_SOURCE_DIR "/models/stories260k",
                                   .formats = std::move(formats),
                                   .part = by,
                                   .windows = {.tokens = 256, .context = 128},
                                   .target_bits = bits,
                                   .output = std::move(output)},
                                  quiet);
  if (!report) ADD_FAILURE() << report.error().text();
  return *report;
}

TEST(Sensitivity, PartsCoverTheModelAndCostMoreInFewerBits) {
  for (const auto& [by, count] :
       {std::pair{SensitivityPart::linear, 35u}, std::pair{SensitivityPart::block, 5u},
        std::pair{SensitivityPart::kind, 7u}}) {
    const auto report = measured(by, {});
    ASSERT_EQ(report.parts.size(), count);
    int64_t weights = 0;
    double sum[3] = {};
    for (const PartSensitivity& each : report.parts) {
      weights += each.weights;
      for (size_t j = 0; j < 3; ++j) {
        EXPECT_GT(each.costs[j].kl, 0) << each.name;
        sum[j] += each.costs[j].kl;
      }
    }
    EXPECT_EQ(weights, 5 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 172));
    EXPECT_GT(sum[1], sum[0]);
    EXPECT_GT(sum[0], sum[2]);
    EXPECT_GT(report.together[1], report.together[0]);
    EXPECT_GT(report.together[0], report.together[2]);
    // the model is restored after each part: damages of single parts stay well below all together
    EXPECT_LT(report.parts[0].costs[0].kl, report.together[0]);
  }
}

// What a part costs is what the method, not rounding, makes of it.
TEST(Sensitivity, MeasuresTheMethod) {
  ScratchFolder folder;
  const auto of = [&](std::string_view method) {
    ContextOwner owner(2, supported_isas().back());
    NoProgress quiet;
    return sensitivity(owner.get(),
                       {.model = FARTHING_SOURCE_DIR "/models/stories260k",
                        .formats = {"int3_g32"},
                        .method = find_algorithm(method),
                        .calibration = {.samples = 8, .context = 128},
                        .part = SensitivityPart::kind,
                        .windows = {.tokens = 1024, .context = 128},
                        .target_bits = 4,
                        .output = folder / std::string(method)},
                       quiet)
        .value();
  };
  const auto rounded = of("rtn"), fed_back = of("gptq");
  EXPECT_LT(fed_back.together[0], 0.7 * rounded.together[0]);
  EXPECT_EQ(fed_back.parts[0].costs[0].bytes, rounded.parts[0].costs[0].bytes);
  EXPECT_EQ(read_quantize_recipe(folder / "gptq/recipe.toml")->options.method,
            find_algorithm("gptq"));
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"gptq", "rtn"}));  // no stages are left
}

TEST(Sensitivity, RangesOfStaticActivationsComeFromTheCalibrationText) {
  const auto report = measured(SensitivityPart::kind, {}, {},
                               {"int8_row", "int8_row@int8_token", "int8_row@int8_static"});
  ASSERT_EQ(report.together.size(), 3u);
  // A scale for all tokens is never finer than one for each.
  EXPECT_GT(report.together[1], 1.5 * report.together[0]);
  EXPECT_GT(report.together[2], report.together[1]);
  EXPECT_LT(report.together[2], 1);
}

// Nothing that was tried before is left in the model.
TEST(Sensitivity, ACostDoesNotDependOnWhatWasTriedBefore) {
  const auto two = measured(SensitivityPart::kind, {}, {}, {"int8_g32", "int3_g32"}),
             one = measured(SensitivityPart::kind, {}, {}, {"int8_g32"});
  for (size_t i = 0; i < two.parts.size(); ++i)
    EXPECT_EQ(two.parts[i].costs[0].kl, one.parts[i].costs[0].kl) << two.parts[i].name;
}

// Its recipe is one, and quantizing by it takes the bits that it promised.
TEST(Sensitivity, TheRecipeKeepsTheBudget) {
  ScratchFolder folder;
  const auto report = measured(SensitivityPart::linear, 4.75, folder / "out");
  ASSERT_TRUE(report.chosen_bits.has_value());
  EXPECT_LE(*report.chosen_bits, 4.75);
  EXPECT_GT(*report.chosen_bits, 4.5);
  for (const char* name : {"report.html", "report.json", "recipe.toml"})
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / name)) << name;
  const auto recipe = read_quantize_recipe(folder / "out/recipe.toml");
  ASSERT_TRUE(recipe.has_value()) << recipe.error().text();
  ContextOwner owner(2, supported_isas().back());
  NoProgress quiet;
  const auto from = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k");
  const auto layers = quantize_checkpoint(owner.get(), **from, recipe->options, folder / "q", quiet,
                                          {.calibration = {.samples = 4, .context = 64}});
  ASSERT_TRUE(layers.has_value()) << layers.error().text();
  double bytes = 0, weights = 0;
  for (const LayerReport& layer : *layers) {
    bytes += static_cast<double>(layer.bytes);
    weights += static_cast<double>(layer.n * layer.k);
  }
  EXPECT_NEAR(8 * bytes / weights, *report.chosen_bits, 1e-9);
}

class SensitivityReused : public ::testing::Test {
 protected:
  Result<SensitivityReport> run(const std::string& name, std::vector<std::string> formats,
                                std::vector<std::filesystem::path> earlier, int64_t tokens = 256,
                                float outlier_threshold = RangeOptions().outlier_threshold) {
    ContextOwner owner(2, supported_isas().back());
    NoProgress quiet;
    return sensitivity(owner.get(),
                       {.model = FARTHING_SOURCE_DIR "/models/stories260k",
                        .formats = std::move(formats),
                        .outlier_threshold = outlier_threshold,
                        .part = SensitivityPart::kind,
                        .windows = {.tokens = tokens, .context = 128},
                        .earlier = std::move(earlier),
                        .target_bits = target_bits_,
                        .output = folder_ / name},
                       quiet);
  }
  ScratchFolder folder_;
  double target_bits_ = 6;
};

TEST_F(SensitivityReused, GivesTheReportOfOneRun) {
  ASSERT_TRUE(run("four", {"int4_g32"}, {}).has_value());
  const auto joined = run("joined", {"int8_g32", "int4_g32"}, {folder_ / "four/report.json"});
  ASSERT_TRUE(joined.has_value()) << joined.error().text();
  const auto again = run("again", {}, {folder_ / "joined/report.json"});
  const auto anew = run("anew", {"int4_g32", "int8_g32"}, {});
  ASSERT_TRUE(again && anew);
  EXPECT_EQ(sensitivity_json(*joined), sensitivity_json(*anew));
  EXPECT_EQ(sensitivity_json(*again), sensitivity_json(*anew));
}

TEST_F(SensitivityReused, RefusesAnotherQuestion) {
  ASSERT_TRUE(run("four", {"int4_g32"}, {}).has_value());
  const auto other = run("other", {"int8_g32"}, {folder_ / "four/report.json"}, 128);
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().where, (folder_ / "four/report.json: windows").string());
  EXPECT_EQ(other.error().got, "2");
  EXPECT_EQ(other.error().wanted, "1");
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"four"}));
}

// Where every column is an outlier, only weights round.
TEST_F(SensitivityReused, TheThresholdOfOutliersCountsAndIsAskedFor) {
  const std::string scheme = "int8_row@int8_outliers_live";
  target_bits_ = 9;
  const auto none = run("none", {scheme}, {}, 256, 1e30f),
             all = run("all", {scheme}, {}, 256, 1e-6f);
  ASSERT_TRUE(none.has_value()) << none.error().text();
  ASSERT_TRUE(all.has_value()) << all.error().text();
  EXPECT_LT(all->together[0], 0.7 * none->together[0]);
  EXPECT_EQ(read_quantize_recipe(folder_ / "all/recipe.toml")->options.range.outlier_threshold,
            1e-6f);
  const auto other = run("other", {"int8_g32"}, {folder_ / "all/report.json"});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().where, (folder_ / "all/report.json: outlier_threshold").string());
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"all", "none"}));
}

TEST(Sensitivity, ABudgetBelowEveryFormatIsAnErrorThatLeavesNothing) {
  ScratchFolder folder;
  ContextOwner owner(1, supported_isas().back());
  NoProgress quiet;
  const auto report = sensitivity(owner.get(),
                                  {.model = FARTHING_SOURCE_DIR "/models/stories260k",
                                   .formats = {"int4_g32"},
                                   .part = SensitivityPart::kind,
                                   .windows = {.tokens = 128, .context = 128},
                                   .target_bits = 3,
                                   .output = folder / "out"},
                                  quiet);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().where, "--target-bits");
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace farthing
