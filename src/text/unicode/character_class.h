// Classes of characters as the Python package tokenizers has them, and characters of a text.
#pragma once

#include <cstddef>
#include <string_view>

namespace farthing {

struct CharacterRange {
  char32_t first, last;
};

// The first character of non-empty, valid UTF-8, and how long it is.
struct Character {
  char32_t value;
  std::size_t bytes;
};
Character first_character(std::string_view text);

bool is_white_space(char32_t character);        // Unicode's White_Space
bool is_punctuation(char32_t character);        // also ASCII's symbols
bool is_word_character(char32_t character);     // \w of the pre-tokenizer Whitespace
bool is_removed_by_bert(char32_t character);    // by clean_text
bool is_nonspacing_mark(char32_t character);    // of BertNormalizer
bool is_combining_mark(char32_t character);     // of StripAccents
bool is_chinese_character(char32_t character);  // as BERT has it: CJK ideographs
// Newer than the tables by which the package normalizes: its normal forms leave it alone.
bool is_unknown_to_normal_forms(char32_t character);

}  // namespace farthing
