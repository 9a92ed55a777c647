// UTF-8: character lengths, validation, and replacement of what is not valid.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace farthing {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct Utf8Step {
  enum class Kind { kCharacter, kInvalid, kTruncated };
  Kind kind;
  std::size_t bytes;  // at least 1
};

// The first character of non-empty `text`, or the longest part of it that no character can contain.
// kTruncated: the text ends inside what could still become a character.
Utf8Step utf8_step(std::string_view text);

// Bytes of the character that starts with `lead`; the text must be valid UTF-8.
inline std::size_t utf8_character_bytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

bool is_valid_utf8(std::string_view text);

// The text with each invalid part (see utf8_step) replaced by one U+FFFD, as the WHATWG decoder
// does.
std::string replace_invalid_utf8(std::string_view text);

// Moves the whole characters at the front of `pending` to the end of `out`, invalid parts as
// U+FFFD, and leaves in `pending` only a character that is not complete yet.
void take_whole_characters(std::string* pending, std::string* out);

// `character` must be a Unicode scalar value.
void append_utf8(char32_t character, std::string* out);

}  // namespace farthing
