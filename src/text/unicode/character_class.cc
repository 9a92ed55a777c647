// The tables of the classes.
#include "text/unicode/character_class.h"

#include <algorithm>
#include <array>
#include <span>

#include "text/unicode/utf8.h"

namespace farthing {
namespace {

#include "text/unicode/character_classes.inc"

// Source: BERT's tokenization.py.
constexpr CharacterRange kChinese[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                       {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
                                       {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};

constexpr CharacterRange kWhiteSpace[] = {
    {0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};

bool is_in(std::span<const CharacterRange> ranges, char32_t character) {
  const auto after = std::upper_bound(
      ranges.begin(), ranges.end(), character,
      [](char32_t value, const CharacterRange& range) { return value < range.first; });
  return after != ranges.begin() && character <= (after - 1)->last;
}

// The search is for the rare characters: a table answers for the first 0x3000.
class Class {
 public:
  explicit Class(std::span<const CharacterRange> ranges) : ranges_(ranges) {
    for (char32_t c = 0; c < low_.size(); ++c) low_[c] = is_in(ranges, c);
  }
  bool contains(char32_t character) const {
    return character < low_.size() ? low_[character] : is_in(ranges_, character);
  }

 private:
  std::span<const CharacterRange> ranges_;
  std::array<bool, 0x3000> low_{};
};

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3Fu), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu), 3};
  return {
      (lead & 0x07) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu),
      4};
}

bool is_white_space(char32_t character) {
  static const Class white_space(kWhiteSpace);
  return white_space.contains(character);
}
bool is_punctuation(char32_t character) {
  static const Class punctuation(kPunctuation);
  return punctuation.contains(character);
}
bool is_word_character(char32_t character) {
  static const Class word(kWordCharacters);
  return word.contains(character);
}
bool is_removed_by_bert(char32_t character) {
  static const Class removed(kBertRemoved);
  return removed.contains(character);
}
bool is_nonspacing_mark(char32_t character) {
  static const Class marks(kNonspacingMarks);
  return marks.contains(character);
}
bool is_combining_mark(char32_t character) {
  static const Class marks(kCombiningMarks);
  return marks.contains(character);
}
bool is_chinese_character(char32_t character) { return is_in(kChinese, character); }
bool is_unknown_to_normal_forms(char32_t character) {
  return is_in(kUnknownToNormalForms, character);
}

}  // namespace farthing
