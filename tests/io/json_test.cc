// JsonObject: lookups, types, and the refusal of bad texts.
#include "io/json.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

JsonObject parsed(std::string_view text) {
  auto object = JsonObject::parse(text, "config.json");
  EXPECT_TRUE(object) << object.error().text();
  return *object;
}

const JsonObject config = parsed(R"({
  "layers": 12, "theta": 1e4, "name": "llama", "tied": true, "none": null, "float": 2.0, "big": 18446744073709551615,
  "rope": {"type": "yarn", "deep": {"x": -1}}, "sizes": [1, 2, 3], "names": ["a", "b"], "mixed": [1, "a"],
  "groups": [{"n": 1}, {"n": 2}], "a.b": {"c": 1}})");

TEST(JsonObject, GivesEachType) {
  EXPECT_EQ(config.integer("layers").value(), 12);
  EXPECT_EQ(config.number("theta").value(), 1e4);
  EXPECT_EQ(config.number("layers").value(), 12.0);
  EXPECT_EQ(config.string("name").value(), "llama");
  EXPECT_EQ(config.boolean("tied").value(), true);
  EXPECT_EQ(config.integers("sizes").value(), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(config.numbers("sizes").value(), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(config.strings("names").value(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.objects("groups").value()[1].integer("n").value(), 2);
}

TEST(JsonObject, DotsLeadIntoMembers) {
  EXPECT_EQ(config.string("rope.type").value(), "yarn");
  EXPECT_EQ(config.integer("rope.deep.x").value(), -1);
  EXPECT_EQ(config.object("rope.deep")->integer("x").value(), -1);
  EXPECT_EQ(config.keys("rope"), (std::vector<std::string>{"deep", "type"}));
  EXPECT_FALSE(config.has("rope.type.x"));
  EXPECT_FALSE(config.has("a.b"));
  EXPECT_EQ(config.member("a.b")->integer("c").value(), 1);
}

TEST(JsonObject, AbsentAndNullGiveTheDefaultButAWrongTypeDoesNot) {
  EXPECT_EQ(config.integer("absent", 5).value(), 5);
  EXPECT_EQ(config.integer("none", 5).value(), 5);
  EXPECT_EQ(config.string("rope.absent", "x").value(), "x");
  EXPECT_EQ(config.number("absent", 0.5).value(), 0.5);
  EXPECT_EQ(config.boolean("tied", false).value(), true);
  EXPECT_FALSE(config.integer("name", 5));
  EXPECT_TRUE(config.has("none") && config.is_null("none"));
  EXPECT_FALSE(config.is_null("absent"));
}

TEST(JsonObject, ErrorsNameFileFieldFoundAndWanted) {
  const Error error = config.object("rope").value().integer("type").error();
  EXPECT_EQ(error.where, "config.json, rope, field type");
  EXPECT_EQ(error.got, "string: \"yarn\"");
  EXPECT_EQ(error.wanted, "a whole number of at most 63 bits");
  EXPECT_EQ(config.integer("absent").error().what, "a field is missing");
  EXPECT_EQ(config.integers("mixed").error().where, "config.json, field mixed[1]");
}

TEST(JsonObject, FractionsAndHugeNumbersAreNoIntegers) {
  EXPECT_FALSE(config.integer("float"));
  EXPECT_FALSE(config.integer("big"));
  EXPECT_FALSE(config.integer("tied"));
  EXPECT_FALSE(config.number("tied"));
}

TEST(JsonObject, BadTextsAreRefused) {
  for (const std::string_view text :
       {"", "{", "[1]", "7", "{\"a\":1,}", "{\"a\":01}", "{'a':1}", "{\"a\":1} x", "{\"a\":NaN}",
        "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}", "{\"a\":1e999}", "{\"a\":\"\n\"}"}) {
    const auto object = JsonObject::parse(text, "here");
    ASSERT_FALSE(object) << text;
    EXPECT_EQ(object.error().where.substr(0, 4), "here");
    EXPECT_NE(object.error().got, "");
  }
}

TEST(JsonObject, SyntaxErrorsNameTheLine) {
  EXPECT_EQ(JsonObject::parse("{\n\"a\": 1,\n\"b\" 2}", "here").error().where, "here, line 3");
}

TEST(JsonObject, DuplicateKeysAreRefusedOnlyWithinOneObject) {
  EXPECT_FALSE(JsonObject::parse(R"({"a":1,"b":{"c":1,"c":2}})", "here"));
  EXPECT_TRUE(JsonObject::parse(R"({"a":1,"b":{"a":1}})", "here"));
}

TEST(JsonObject, MoreValuesThanAVocabularyHasAreRefused) {
  std::string zeros = "{\"a\":[0";
  for (int i = 1; i < 8'000'000 - 2; ++i) zeros += ",0";
  EXPECT_TRUE(JsonObject::parse(zeros + "]}", "file"));
  const auto more = JsonObject::parse(zeros + ",0]}", "file");
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().where, "file");
  EXPECT_EQ(more.error().got, "more than 8000000 values");
}

TEST(JsonObject, NestingBeyond64LevelsIsRefused) {
  const auto nested = [](int arrays) {
    const auto n = static_cast<size_t>(arrays);
    return JsonObject::parse("{\"a\":" + std::string(n, '[') + std::string(n, ']') + "}", "here")
        .has_value();
  };
  EXPECT_TRUE(nested(63));
  EXPECT_FALSE(nested(64));
  EXPECT_FALSE(nested(1000000));
}

TEST(JsonObject, WithAndWithoutLeaveTheOriginal) {
  const JsonObject object = parsed(R"({"b":1,"a":[1.5]})");
  const auto changed = object.with("c", R"({"x":"y"})");
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->without("b").text(),
            "{\n  \"a\": [\n    1.5\n  ],\n  \"c\": {\n    \"x\": \"y\"\n  }\n}\n");
  EXPECT_EQ(object.keys(), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(object.with("c", "{"));
}

}  // namespace
}  // namespace farthing
