// Values from JSON: order, types, and what is refused.
#include <gtest/gtest.h>

#include "text/chat_template.h"

namespace farthing {
namespace {

// The value as a template writes it.
std::string printed(std::string_view json) {
  ChatInput input;
  input.tools = chat_value_from_json(json, "x.json").value();
  return ChatTemplate::parse("{{ tools }}", "x").value().render(input).value();
}

std::string refusal(std::string_view json) {
  const auto value = chat_value_from_json(json, "x.json");
  EXPECT_FALSE(value.has_value());
  if (value) return "";
  EXPECT_EQ(value.error().where, "x.json");
  return value.error().got;
}

TEST(ChatValueJson, EveryTypeIsRead) {
  EXPECT_EQ(printed(R"({"a": [1, -2, 1.0, 1e2, true, false, null, "x\n\u00e9"], "b": {}})"),
            R"({'a': [1, -2, 1.0, 100.0, True, False, None, 'x\né'], 'b': {}})");
}

TEST(ChatValueJson, MembersKeepTheirOrder) {
  EXPECT_EQ(printed(R"({"z": 1, "a": 2, "m": 3})"), "{'z': 1, 'a': 2, 'm': 3}");
}

TEST(ChatValueJson, TheLastOfTwoMembersOfOneNameCountsAsInPython) {
  EXPECT_EQ(printed(R"({"a": 1, "b": 2, "a": 3})"), "{'a': 3, 'b': 2}");
}

TEST(ChatValueJson, AWholeNumberBeyond64BitsIsRefused) {
  EXPECT_EQ(printed("[9223372036854775807, -9223372036854775808]"),
            "[9223372036854775807, -9223372036854775808]");
  EXPECT_EQ(refusal("9223372036854775808"), "a whole number beyond 64 bits");
  EXPECT_EQ(refusal("99999999999999999999"), "a whole number beyond 64 bits");
}

TEST(ChatValueJson, BrokenTextIsRefused) {
  EXPECT_NE(refusal("{\"a\": ").find("parse error"), std::string::npos);
  EXPECT_NE(refusal("\"\xff\"").find("UTF-8"), std::string::npos);
  EXPECT_NE(refusal("").find("parse error"), std::string::npos);
}

TEST(ChatValueJson, MoreThanAHundredLevelsAreRefused) {
  EXPECT_EQ(printed(std::string(99, '[') + std::string(99, ']')).size(), 198);
  EXPECT_EQ(refusal(std::string(100000, '[')), "lists and maps nested too deeply");
}

}  // namespace
}  // namespace farthing
