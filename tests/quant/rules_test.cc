// Which rule counts for which linear.
#include <gtest/gtest.h>

#include "model/checkpoint.h"
#include "quant/quantize_options.h"

namespace farthing {
namespace {

QuantizeOptions options_with(std::vector<std::string> rules) {
  QuantizeOptions out;
  out.scheme = parse_scheme("int4_g32").value();
  out.method = find_algorithm("gptq");
  for (const std::string& rule : rules) out.rules.push_back(parse_rule(rule).value());
  return out;
}

LinearSpec linear(std::string name) { return {name + ".weight", 8, 32}; }

TEST(Rules, TheLastThatFitsCounts) {
  const auto options = options_with({"*=int8_row", "*.down_proj=q6_k:imatrix", "*.0.*=keep"});
  const auto first = choice_for(options, linear("model.layers.1.mlp.down_proj"), false);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->scheme.name(), "q6_k");
  EXPECT_EQ(first->method->name, "imatrix");
  const auto other = choice_for(options, linear("model.layers.1.mlp.up_proj"), false);
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->scheme.name(), "int8_row");
  EXPECT_EQ(other->method->name, "gptq");
  EXPECT_FALSE(choice_for(options, linear("model.layers.0.mlp.down_proj"), false));
}

TEST(Rules, ALaterSchemeTakesBackAKeep) {
  const auto options = options_with({"*=keep", "*.v_proj=int8_row"});
  EXPECT_FALSE(choice_for(options, linear("model.layers.0.self_attn.q_proj"), false));
  const auto v = choice_for(options, linear("model.layers.0.self_attn.v_proj"), false);
  ASSERT_TRUE(v.has_value());
  EXPECT_EQ(v->scheme.name(), "int8_row");
}

TEST(Rules, TablesStayUnlessARuleNamesThem) {
  EXPECT_FALSE(choice_for(options_with({}), linear("lm_head"), true));
  const auto head = choice_for(options_with({"lm_head=int8_row"}), linear("lm_head"), true);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->scheme.name(), "int8_row");
}

TEST(Rules, WhatKeepsItsPrecisionStays) {
  LinearSpec router = linear("model.layers.0.mlp.gate");
  router.keeps_precision = true;
  EXPECT_FALSE(choice_for(options_with({"*=int8_row"}), router, false));
}

TEST(Rules, BadOnesAreRefused) {
  for (const char* text : {"", "=int8_row", "a=", "a=int7", "a=int8_row:awkward", "int8_row"}) {
    const auto rule = parse_rule(text);
    ASSERT_FALSE(rule.has_value()) << text;
    EXPECT_FALSE(rule.error().wanted.empty());
  }
}

TEST(Rules, OneThatFitsNothingIsAnError) {
  const auto checkpoint = Checkpoint::open(FARTHING_SOURCE_DIR "/models/stories260k");
  ASSERT_TRUE(checkpoint.has_value());
  const ModelConfig& config = (*checkpoint)->config();
  EXPECT_TRUE(check_rules(options_with({"*.mlp.*=int8_row", "model.embed_tokens=keep"}), config));
  const auto wrong = check_rules(options_with({"*.mpl.*=int8_row"}), config);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().got, "*.mpl.*");
}

}  // namespace
}  // namespace farthing
