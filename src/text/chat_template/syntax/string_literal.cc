// Python's escapes, undone.
#include "text/chat_template/syntax/string_literal.h"

#include <charconv>

#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

// The number of exactly `digits` hexadecimal digits at the front of `text`.
std::optional<std::uint32_t> hexadecimal(std::string_view text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  std::uint32_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + digits, number, 16);
  if (read.ec != std::errc() || read.ptr != text.data() + digits) return std::nullopt;
  return number;
}

bool append_scalar(std::uint32_t code, std::string* out) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  append_utf8(code, out);
  return true;
}

}  // namespace

std::optional<std::string> unescape_literal(std::string_view text) {
  constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    if (i + 1 == text.size()) return std::nullopt;
    const char letter = text[i + 1];
    const std::string_view rest = text.substr(i + 2);
    i += 2;
    if (letter == '\n') continue;
    if (const std::size_t simple = kLetters.find(letter); simple != std::string_view::npos) {
      out += kMeanings[simple];
    } else if (letter >= '0' && letter <= '7') {
      std::uint32_t code = static_cast<std::uint32_t>(letter - '0');
      for (int more = 0; more < 2 && i < text.size() && text[i] >= '0' && text[i] <= '7'; ++more) {
        code = code * 8 + static_cast<std::uint32_t>(text[i++] - '0');
      }
      append_utf8(code, &out);
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      const auto code = hexadecimal(rest, digits);
      if (!code || !append_scalar(*code, &out)) return std::nullopt;
      i += digits;
    } else if (letter == 'N') {
      return std::nullopt;
    } else {
      out += '\\';
      out += letter;
    }
  }
  return out;
}

}  // namespace farthing::jinja
