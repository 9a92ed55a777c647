// Python's view of text: characters instead of bytes, white space, letter case.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace farthing::jinja {

// All texts are valid UTF-8; positions count characters.

bool is_ascii(std::string_view text);
std::size_t character_count(std::string_view text);
// The bytes before character `position`, or all where there are fewer.
std::size_t byte_of_character(std::string_view text, std::size_t position);
std::vector<std::string_view> characters(std::string_view text);
// The character that non-empty `text` begins with.
char32_t first_character(std::string_view text);

// str.isspace of one character.
bool is_space(char32_t character);
// str.isprintable of one character.
bool is_printable(char32_t character);

// str.strip and its halves. `what`: characters to remove, white space where it is null.
std::string_view strip(std::string_view text, const std::string_view* what, bool left, bool right);

// str.splitlines, without line ends.
// At least as many lines as split_lines makes.
std::size_t most_lines(std::string_view text);
std::vector<std::string_view> split_lines(std::string_view text);

enum class Case { kUpper, kLower };
// str.upper and str.lower. Characters whose other case is several characters, or depends on the
// place in the word, are refused.
Result<std::string> change_case(std::string_view text, Case to);
// str.capitalize.
Result<std::string> capitalize(std::string_view text);

}  // namespace farthing::jinja
