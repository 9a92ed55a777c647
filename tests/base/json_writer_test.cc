// JsonWriter: the text it makes.
#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace farthing {
namespace {

std::string string_json(std::string_view text) { return JsonWriter().value(text).take(); }

TEST(JsonWriter, PutsCommasBetweenMembersAndItems) {
  JsonWriter json;
  json.begin_object()
      .field("a", 1)
      .key("b")
      .begin_array()
      .value(2)
      .null()
      .begin_object()
      .end_object();
  json.begin_array().end_array().end_array().field("c", true).end_object();
  EXPECT_EQ(json.take(), R"({"a":1,"b":[2,null,{},[]],"c":true})");
}

TEST(JsonWriter, PrettyIndentsByTwoSpaces) {
  JsonWriter json(true);
  json.begin_object().field("a", "x").key("b").begin_array().value(1).value(2).end_array();
  json.key("c").begin_object().end_object().end_object();
  EXPECT_EQ(json.take(), "{\n  \"a\": \"x\",\n  \"b\": [\n    1,\n    2\n  ],\n  \"c\": {}\n}\n");
}

TEST(JsonWriter, EscapesQuotesBackslashesAndControls) {
  EXPECT_EQ(string_json("a\"b\\c\nd\te\x01\x1f\x7f/"),
            "\"a\\\"b\\\\c\\nd\\te\\u0001\\u001f\x7f/\"");
  EXPECT_EQ(string_json(std::string_view("\0", 1)), "\"\\u0000\"");
}

TEST(JsonWriter, KeepsValidUtf8) {
  const std::string text =
      "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";
  EXPECT_EQ(string_json(text), '"' + text + '"');
}

TEST(JsonWriter, ReplacesEachBadByte) {
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(string_json("a\xff"), "\"a" + bad + "\"");
  EXPECT_EQ(string_json("\xc0\xaf"), '"' + bad + bad + '"');                      // overlong slash
  EXPECT_EQ(string_json("\xed\xa0\x80"), '"' + bad + bad + bad + '"');            // surrogate
  EXPECT_EQ(string_json("\xf4\x90\x80\x80"), '"' + bad + bad + bad + bad + '"');  // beyond U+10FFFF
  EXPECT_EQ(string_json("\xe2\x82"), '"' + bad + bad + '"');                      // cut short
}

TEST(JsonWriter, NumbersReadBackAsTheSameBits) {
  for (const double value :
       {0.1, 1.0 / 3, 1e300, 5e-324, -0.0, 123456789.0, 1e22, 9007199254740993.0}) {
    const std::string text = JsonWriter().value(value).take();
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    EXPECT_NE(text.find_first_of(".e"), std::string::npos) << text;
  }
  EXPECT_EQ(JsonWriter().value(0.1f).take(), "0.1");
  EXPECT_EQ(JsonWriter().value(2.0).take(), "2.0");
  EXPECT_EQ(JsonWriter().value(std::numeric_limits<uint64_t>::max()).take(),
            "18446744073709551615");
  EXPECT_EQ(JsonWriter().value(std::numeric_limits<int64_t>::min()).take(), "-9223372036854775808");
  EXPECT_EQ(JsonWriter().value(false).take(), "false");
}

TEST(JsonWriter, NaNAndInfinityBecomeNull) {
  EXPECT_EQ(JsonWriter().value(std::numeric_limits<double>::quiet_NaN()).take(), "null");
  EXPECT_EQ(JsonWriter().value(-std::numeric_limits<float>::infinity()).take(), "null");
}

TEST(JsonWriterDeathTest, WrongOrderIsABug) {
  EXPECT_DEATH(JsonWriter().begin_object().value(1), "CHECK");
  EXPECT_DEATH(JsonWriter().begin_array().key("a"), "CHECK");
  EXPECT_DEATH(JsonWriter().begin_array().end_object(), "CHECK");
  EXPECT_DEATH(JsonWriter().begin_array().take(), "CHECK");
  EXPECT_DEATH(JsonWriter().value(1).value(2), "CHECK");
}

}  // namespace
}  // namespace farthing
