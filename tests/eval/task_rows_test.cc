// Rows of JSONL and CSV, and what is refused.
#include "eval/tasks/task_rows.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

TEST(TaskRows, AnErrorOfJsonlNamesTheLine) {
  const auto rows = rows_of_jsonl("{\"a\": 1}\n\n{\"a\": }\n", "file");
  ASSERT_FALSE(rows);
  EXPECT_NE(rows.error().where.find("file, line 3"), std::string::npos) << rows.error().text();
}

TEST(TaskRows, JsonlWithoutALastLineEndIsWhole) {
  const auto rows = rows_of_jsonl("{\"a\": 1}\r\n{\"a\": 2}", "file");
  ASSERT_TRUE(rows) << rows.error().text();
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[1].integer("a").value(), 2);
}

TEST(TaskRows, CsvFieldsInQuotesHoldCommasLineEndsAndQuotes) {
  const auto rows =
      rows_of_csv("\xEF\xBB\xBFQ,Best Answer\r\n\"a, \"\"b\"\"\nc\",d\r\nplain,\n", "file");
  ASSERT_TRUE(rows) << rows.error().text();
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0].string("Q").value(), "a, \"b\"\nc");
  EXPECT_EQ((*rows)[0].string("Best Answer").value(), "d");
  EXPECT_EQ((*rows)[1].string("Best Answer").value(), "");
}

TEST(TaskRows, ACsvRecordOfAnotherLengthIsRefusedWithItsLine) {
  const auto rows = rows_of_csv("a,b\n\"1\n2\",3\n4\n", "file");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().where, "file, line 4");
}

TEST(TaskRows, QuotesThatDoNotEndAreRefused) {
  for (const char* text : {"a,b\n\"1,2\n", "a,b\n\"1\"x,2\n"}) {
    const auto rows = rows_of_csv(text, "file");
    ASSERT_FALSE(rows) << text;
    EXPECT_EQ(rows.error().what, "the file is not CSV") << text;
  }
}

}  // namespace
}  // namespace farthing
