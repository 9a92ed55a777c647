// Numbers as the commands print them.
#include "apps/output.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

TEST(SizeText, KeepsTwoDigitsBelowTen) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(1000), "1.0 kB");
  EXPECT_EQ(size_text(9949), "9.9 kB");
  EXPECT_EQ(size_text(9960), "10 kB");
  EXPECT_EQ(size_text(999'600), "1.0 MB");
  EXPECT_EQ(size_text(134.5e6), "134 MB");
}

}  // namespace
}  // namespace farthing
