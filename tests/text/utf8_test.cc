// UTF-8: what is valid, and how the rest is replaced.
#include "text/unicode/utf8.h"

#include <gtest/gtest.h>

#include "text/unicode/byte_level.h"

namespace farthing {
namespace {

TEST(Utf8, EveryScalarValueIsValidAndNoSurrogateIs) {
  for (char32_t character = 0; character < 0x110000; ++character) {
    std::string text;
    append_utf8(character, &text);
    const bool surrogate = character >= 0xD800 && character < 0xE000;
    ASSERT_EQ(is_valid_utf8(text), !surrogate) << static_cast<std::uint32_t>(character);
    ASSERT_EQ(utf8_character_bytes(text[0]), text.size());
  }
}

TEST(Utf8, InvalidPartsAreReplacedAsTheUnicodeStandardRecommends) {
  const std::string r(kReplacementCharacter);
  // Table 3-8 of the Unicode standard (substitution of maximal subparts), and its neighbours.
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r + r + r + r + "A");
  EXPECT_EQ(replace_invalid_utf8("ab\xE2\x96"), "ab" + r);
}

TEST(Utf8, InvalidByteAfterEightAsciiBytesIsSeen) {
  EXPECT_TRUE(is_valid_utf8("01234567012345678"));
  EXPECT_FALSE(is_valid_utf8("01234567\x80"));
  EXPECT_FALSE(is_valid_utf8("012345670123456\xC3"));
}

TEST(ByteLevel, EveryByteIsSpelledByItsOwnCharacter) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    EXPECT_EQ(bytes_of_spelling(spell_bytes(bytes)), bytes);
  }
  EXPECT_EQ(spell_bytes(" \n~\xFF"), "ĠĊ~ÿ");
  EXPECT_FALSE(bytes_of_spelling("a b").has_value());
  EXPECT_FALSE(bytes_of_spelling("日").has_value());
}

}  // namespace
}  // namespace farthing
