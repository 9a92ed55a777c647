// split, rsplit and splitlines.
#include <algorithm>

#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/values/characters.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

using Parts = std::vector<std::string_view>;

Result<Parts> split_at(std::string_view text, std::string_view separator, std::int64_t most,
                       bool from_right, Budget& budget) {
  std::vector<std::string_view> parts;
  while (most-- != 0) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    TRY(budget.spend_new_texts(1));
    const std::string_view left = text.substr(0, at), right = text.substr(at + separator.size());
    parts.push_back(from_right ? right : left);
    text = from_right ? left : right;
  }
  parts.push_back(text);
  return parts;
}

// The bytes of the first or last run of characters that are not white space.
std::size_t word_bytes(std::string_view text, bool from_right) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    std::size_t at = from_right ? text.size() - bytes - 1 : bytes;
    while (from_right && (text[at] & 0xC0) == 0x80) --at;
    if (is_space(first_character(text.substr(at)))) break;
    bytes = from_right ? text.size() - at : at + utf8_character_bytes(text[at]);
  }
  return bytes;
}

Result<Parts> split_at_space(std::string_view text, std::int64_t most, bool from_right,
                             Budget& budget) {
  std::vector<std::string_view> parts;
  text = strip(text, nullptr, !from_right, from_right);
  while (!text.empty() && most-- != 0) {
    TRY(budget.spend_new_texts(1));
    const std::size_t bytes = word_bytes(text, from_right), rest = text.size() - bytes;
    parts.push_back(from_right ? text.substr(rest) : text.substr(0, bytes));
    text = from_right ? text.substr(0, rest) : text.substr(bytes);
    text = strip(text, nullptr, !from_right, from_right);
  }
  if (!text.empty()) parts.push_back(text);
  return parts;
}

Result<Value> split(Call& call, bool from_right) {
  const std::int64_t most = TRY(call.integer(1, -1));
  const std::string& text = call.self.text();
  std::vector<std::string_view> parts;
  if (call.some(0) == nullptr) {
    parts = TRY(split_at_space(text, most, from_right, call.in.budget()));
  } else {
    const std::string separator = TRY(call.text(0));
    if (separator.empty()) return call.refuse("an empty separator", "a text");
    parts = TRY(split_at(text, separator, most, from_right, call.in.budget()));
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return Value(List(parts.begin(), parts.end()));
}

}  // namespace

Result<Value> method_split(Call& call) { return split(call, false); }
Result<Value> method_rsplit(Call& call) { return split(call, true); }

Result<Value> method_splitlines(Call& call) {
  const std::string& text = call.self.text();
  TRY(call.in.budget().spend_new_texts(most_lines(text)));
  const std::vector<std::string_view> lines = split_lines(text);
  return Value(List(lines.begin(), lines.end()));
}

}  // namespace farthing::jinja
