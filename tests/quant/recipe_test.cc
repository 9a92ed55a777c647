// Recipes of quantization: what they say, and what is refused.
#include "quant/recipe.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

Result<QuantizeRecipe> read(const std::string& text) {
  static const ScratchFolder folder;
  std::ofstream(folder / "recipe.toml") << text;
  return read_quantize_recipe(folder / "recipe.toml");
}

TEST(QuantizeRecipe, SaysEverything) {
  const auto recipe = read(R"(
[quantization]
scheme = "int4_g32"
method = "gptq"
scale_rule = "narrow"
tables = "int8_row"
strict = true
kv_cache = "int8_static"
damping = 0.05
spqr_outlier_threshold = 0.3
act_order = false
outlier_threshold = 4.5
rotate = "r1,r4"
rotate_seed = 12
[calibration]
text = "texts/some.txt"
samples = 7
context = 33
kv_cache_range = "percentile"
kv_cache_percentile = 99.5
[[rule]]
layers = "*.down_proj"
scheme = "q6_k"
[[rule]]
layers = "*.0.*"
keep = true
[[rule]]
layers = "*.v_proj"
method = "imatrix"
)");
  ASSERT_TRUE(recipe.has_value()) << recipe.error().text();
  const QuantizeOptions& options = recipe->options;
  EXPECT_EQ(options.scheme.name(), "int4_g32");
  EXPECT_EQ(options.method->name, "gptq");
  EXPECT_EQ(options.scale_rule, ScaleRule::narrow);
  EXPECT_EQ(options.tables->name(), "int8_row");
  EXPECT_TRUE(options.strict);
  EXPECT_EQ(options.kv_cache, KvCodec::int8_static);
  EXPECT_EQ(options.kv_cache_range, (RangeOptions{RangeMethod::percentile, 99.5}));
  EXPECT_EQ(options.algorithm.damping, 0.05f);
  EXPECT_EQ(options.algorithm.outlier_threshold, 0.3f);
  EXPECT_FALSE(options.algorithm.act_order);
  EXPECT_EQ(options.range.outlier_threshold, 4.5f);
  EXPECT_EQ(options.rotation.name(), "r1,r4");
  EXPECT_EQ(options.rotation.seed, 12);
  EXPECT_EQ(recipe->calibration.text->filename(), "some.txt");
  EXPECT_EQ(recipe->calibration.text->parent_path().filename(), "texts");
  EXPECT_EQ(recipe->calibration.samples, 7);
  EXPECT_EQ(recipe->calibration.context, 33);
  ASSERT_EQ(options.rules.size(), 3u);
  EXPECT_EQ(options.rules[0].scheme->name(), "q6_k");
  EXPECT_TRUE(options.rules[1].keep);
  EXPECT_EQ(options.rules[2].method->name, "imatrix");
}

TEST(QuantizeRecipe, WhatItDoesNotSayIsLeftOpen) {
  const auto recipe = read("");
  ASSERT_TRUE(recipe.has_value());
  EXPECT_EQ(recipe->options.scheme.weights, nullptr);
  EXPECT_EQ(recipe->options.method, nullptr);
  EXPECT_EQ(recipe->calibration.samples, 0);
}

TEST(QuantizeRecipe, MistakesAreNamed) {
  for (const char* text :
       {"[quantization]\nscheme = \"int9_g32\"", "[quantization]\nmethod = \"awkward\"",
        "[quantization]\ndamping = 2.0", "[quantization]\nschema = \"int4_g32\"",
        "[[rule]]\nscheme = \"q6_k\"", "[[rule]]\nlayers = \"*\"\nkep = true",
        "[calibration]\nsamples = 0", "[[rule]]\nlayers = 3"}) {
    const auto recipe = read(text);
    ASSERT_FALSE(recipe.has_value()) << text;
    EXPECT_NE(recipe.error().where.find("recipe.toml"), std::string::npos) << text;
    EXPECT_FALSE(recipe.error().wanted.empty());
  }
}

}  // namespace
}  // namespace farthing
