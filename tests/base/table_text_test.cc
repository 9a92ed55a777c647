// Tables and counts as text.
#include "base/table_text.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

TEST(TableText, NumbersAreAlignedToTheRightAndWordsToTheLeft) {
  EXPECT_EQ(table_text({{"name", "bytes", "note"}, {"a", "5", "x"}, {"long", "1,000", ""}}),
            "name  bytes  note\n"
            "a         5  x\n"
            "long  1,000\n");
}

TEST(TableText, CharactersCountNotBytes) {
  EXPECT_EQ(table_text({{"a", "b"}, {"\u00e9\u00e9", "x"}, {"yyy", "z"}}),
            "a    b\n\u00e9\u00e9   x\nyyy  z\n");
}

TEST(CountText, GroupsThreeDigits) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(134515008), "134,515,008");
  EXPECT_EQ(count_text(-100000), "-100,000");
}

}  // namespace
}  // namespace farthing
