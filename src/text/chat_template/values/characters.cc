// Characters, white space and letter case of UTF-8 texts, as Python has them.
#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/refusal.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

// Letters whose upper or title case is several characters (Unicode's SpecialCasing.txt).
bool grows_in_upper_case(char32_t c) {
  return c == 0xDF || c == 0x149 || c == 0x1F0 || c == 0x390 || c == 0x3B0 || c == 0x587 ||
         (c >= 0x1E96 && c <= 0x1E9A) || (c >= 0x1F50 && c <= 0x1FFC) ||
         (c >= 0xFB00 && c <= 0xFB17);
}

// U+0130 becomes two characters, and a sigma at the end of a word another one.
bool is_special_in_lower_case(char32_t c) { return c == 0x130 || c == 0x3A3; }

Result<> append_in_case(char32_t c, Case to, std::string* out) {
  if (c < 0x80) {
    const bool changes = to == Case::kUpper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';
    *out += static_cast<char>(changes ? c ^ 0x20 : c);
    return {};
  }
  if (to == Case::kUpper ? grows_in_upper_case(c) : is_special_in_lower_case(c)) {
    return refused("the chat template changes the case of a letter that has no simple one",
                   fmt::format("U+{:04X}", static_cast<std::uint32_t>(c)),
                   "letters with one upper and one lower form");
  }
  const auto code = static_cast<utf8proc_int32_t>(c);
  const auto changed = to == Case::kUpper ? utf8proc_toupper(code) : utf8proc_tolower(code);
  append_utf8(static_cast<char32_t>(changed), out);
  return {};
}

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

std::size_t character_count(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::size_t byte_of_character(std::string_view text, std::size_t position) {
  std::size_t byte = 0;
  while (position > 0 && byte < text.size()) {
    byte += utf8_character_bytes(text[byte]);
    --position;
  }
  return byte;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t i = 0; i < text.size(); i += parts.back().size()) {
    parts.push_back(text.substr(i, utf8_character_bytes(text[i])));
  }
  return parts;
}

char32_t first_character(std::string_view text) {
  const std::size_t bytes = utf8_character_bytes(text[0]);
  if (bytes == 1) return static_cast<unsigned char>(text[0]);
  char32_t c = static_cast<unsigned char>(text[0]) & (0xFFu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  return c;
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string_view strip(std::string_view text, const std::string_view* what, bool left, bool right) {
  const auto removed = [&](std::string_view character) {
    if (what == nullptr) return is_space(first_character(character));
    return what->find(character) != std::string_view::npos;
  };
  while (left && !text.empty()) {
    const std::size_t bytes = utf8_character_bytes(text[0]);
    if (!removed(text.substr(0, bytes))) break;
    text.remove_prefix(bytes);
  }
  while (right && !text.empty()) {
    std::size_t begin = text.size() - 1;
    while ((text[begin] & 0xC0) == 0x80) --begin;
    if (!removed(text.substr(begin))) break;
    text = text.substr(0, begin);
  }
  return text;
}

std::size_t most_lines(std::string_view text) {
  // Every line end has one of these as its last byte.
  return 1 + static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 32 || byte == 0x85 || byte == 0xa8 || byte == 0xa9;
         }));
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = first_character(text.substr(i));
    std::size_t end = i + utf8_character_bytes(text[i]);
    const bool breaks =
        (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (breaks) {
      if (c == '\r' && end < text.size() && text[end] == '\n') ++end;
      lines.push_back(text.substr(begin, i - begin));
      begin = end;
    }
    i = end;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

Result<std::string> change_case(std::string_view text, Case to) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); i += utf8_character_bytes(text[i])) {
    TRY(append_in_case(first_character(text.substr(i)), to, &out));
  }
  return out;
}

Result<std::string> capitalize(std::string_view text) {
  if (text.empty()) return std::string();
  const std::size_t bytes = utf8_character_bytes(text[0]);
  const char32_t first = first_character(text);
  std::string out;
  const auto code = static_cast<utf8proc_int32_t>(first);
  if (first >= 0x80 && !grows_in_upper_case(first)) {
    append_utf8(static_cast<char32_t>(utf8proc_totitle(code)), &out);
  } else {
    out = TRY(change_case(text.substr(0, bytes), Case::kUpper));
  }
  return out + TRY(change_case(text.substr(bytes), Case::kLower));
}

}  // namespace farthing::jinja
