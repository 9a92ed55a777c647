// Facts about the estimate of the remaining time.
#include "base/progress.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

TEST(TimeLeft, IsUnknownAtFirst) {
  TimeLeft left;
  EXPECT_FALSE(left.seconds(0, 100));
  EXPECT_FALSE(left.seconds(0.004, 101));
  EXPECT_TRUE(left.seconds(0.01, 102));
}

TEST(TimeLeft, FollowsThePaceFromTheBeginning) {
  TimeLeft left;
  static_cast<void>(left.seconds(0, 100));
  EXPECT_DOUBLE_EQ(*left.seconds(0.25, 110), 30);
  EXPECT_DOUBLE_EQ(*left.seconds(1, 140), 0);
}

TEST(TimeLeft, OfWorkThatGoesOnFromTheMiddleCountsWhatItDidItself) {
  TimeLeft left;
  static_cast<void>(left.seconds(0.75, 100));
  EXPECT_NEAR(*left.seconds(0.80, 110), 40, 1e-9);  // 5 % in 10 s, 20 % left
}

TEST(ProgressLine, IsShorterThanTheTerminalIsWide) {
  const std::string text = "50 %  00:10 left  step 1000, loss 1.2345, 12345 tok/s";
  for (int columns = 1; columns < 120; ++columns)
    EXPECT_LT(progress_line(0.5, text, columns).size(), static_cast<size_t>(columns)) << columns;
  EXPECT_EQ(progress_line(0.5, "50 %", 120),
            "[" + std::string(15, '#') + std::string(15, '.') + "] 50 %");
  EXPECT_EQ(progress_line(0.5, text, 70), "[######.......] " + text);
}

TEST(ProgressLine, CutsBetweenCharacters) {
  EXPECT_EQ(progress_line(0.5, "ab\u00e9cdefgh", 5), "ab\u00e9");
  EXPECT_EQ(progress_line(0.5, "ab\u00e9cdefgh", 4), "ab");
}

}  // namespace
}  // namespace farthing
