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

}  // namespace
}  // namespace farthing
