// Result, Error and TRY.
#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace farthing {
namespace {

Result<std::unique_ptr<int>> made(bool good) {
  if (good) return std::make_unique<int>(7);
  return fail({.what = "w", .where = "here", .got = "g", .wanted = "x", .remedy = "r"});
}

Result<int> doubled(bool good) { return 2 * *TRY(made(good)); }

TEST(Try, GivesTheValueOrReturnsTheError) {
  EXPECT_EQ(doubled(true).value(), 14);
  ASSERT_FALSE(doubled(false));
  EXPECT_EQ(doubled(false).error().where, "here");
}

TEST(Error, TextNamesEveryPartThatIsThere) {
  EXPECT_EQ(made(false).error().text(), "w\n  where:  here\n  got:    g\n  wanted: x\n  to do:  r");
  EXPECT_EQ((Error{"w", {}, {}, {}, "r"}).text(), "w\n  to do:  r");
}

TEST(Error, TextShowsWhatATerminalWouldObey) {
  const std::string part = std::string("a\x1b[2J\r\x7f\u0085\n\u00fc", 12) + '\0';
  EXPECT_EQ((Error{"w", {}, part, {}, {}}).text(),
            "w\n  got:    a\\u001b[2J\\u000d\\u007f\\u0085\n\u00fc\\u0000");
}

TEST(Error, TextCountsWhatIsTooLongToShow) {
  std::string part(3999, 'x');
  part += "\u6771" + std::string(1000, 'y');
  EXPECT_EQ((Error{"w", part, {}, {}, {}}).text(),
            "w\n  where:  " + std::string(3999, 'x') + "... and 1003 bytes more");
}

}  // namespace
}  // namespace farthing
