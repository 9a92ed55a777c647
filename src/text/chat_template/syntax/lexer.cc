// The lexer: data between tags with its white space trimmed, and the tokens inside tags.
#include "text/chat_template/syntax/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "text/chat_template/syntax/string_literal.h"
#include "text/chat_template/values/characters.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

using Type = Token::Type;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
bool continues_name(char c) { return starts_name(c) || is_digit(c); }

// One kind of line end, and without the last one: what jinja2 does before everything else.
std::string normalize_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') continue;
      out += '\n';
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view where)
      : text_(normalize_lines(source)), where_(where) {}

  Result<std::vector<Token>> run() {
    while (at_ < text_.size()) {
      const std::size_t begin = next_tag();
      if (begin == std::string::npos) {
        add_data(rest());
        advance(text_.size());
        break;
      }
      TRY(tag(begin));
    }
    add(Type::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(text_).substr(at_); }
  bool at(std::string_view what) const { return rest().starts_with(what); }

  // Moves on to byte `to`, counting lines and columns.
  void advance(std::size_t to) {
    for (std::size_t i = at_; i < to; ++i) {
      if (text_[i] == '\n') {
        place_ = {place_.line + 1, 1};
      } else if (!continues_character(text_[i])) {
        ++place_.column;
      }
    }
    if (to > at_) line_starting_ = text_[to - 1] == '\n';
    at_ = to;
  }
  void skip_space() { advance(text_.size() - strip(rest(), nullptr, true, false).size()); }
  void skip_newline() {
    if (at("\n")) advance(at_ + 1);
  }

  void add(Type type, std::string_view text) {
    tokens_.push_back({type, place_, std::string(text)});
  }
  void add_data(std::string_view data) {
    if (!data.empty()) add(Type::kData, data);
  }

  tl::unexpected<Error> refuse(std::string got, std::string wanted) const {
    return syntax_error(where_, place_, std::move(got), std::move(wanted));
  }

  std::size_t next_tag() const {
    for (std::size_t i = text_.find('{', at_); i != std::string::npos; i = text_.find('{', i + 1)) {
      if (i + 1 < text_.size() &&
          (text_[i + 1] == '{' || text_[i + 1] == '%' || text_[i + 1] == '#'))
        return i;
    }
    return std::string::npos;
  }

  // The data in front of a tag, trimmed as the tag's sign and kind demand.
  std::string_view trimmed(std::string_view data, char sign, bool is_variable) const {
    if (sign == '-') return strip(data, nullptr, false, true);
    if (sign == '+' || is_variable) return data;
    const std::size_t newline = data.rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return data;
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    return strip(data.substr(line), nullptr, true, false).empty() ? data.substr(0, line) : data;
  }

  char sign_at(std::size_t position) const {
    const char c = position < text_.size() ? text_[position] : '\0';
    return c == '-' || c == '+' ? c : '\0';
  }

  // Where the tag's inside begins if it is {% raw %}; `inside` lies behind the sign.
  bool is_raw(std::size_t inside, std::size_t* end) const {
    std::string_view tag = strip(std::string_view(text_).substr(inside), nullptr, true, false);
    if (!tag.starts_with("raw")) return false;
    tag = strip(tag.substr(3), nullptr, true, false);
    const bool strips = tag.starts_with("-%}");
    if (!strips && !tag.starts_with("%}")) return false;
    tag.remove_prefix(strips ? 3 : 2);
    if (strips) tag = strip(tag, nullptr, true, false);
    *end = text_.size() - tag.size();
    return true;
  }

  Result<> tag(std::size_t begin) {
    const char kind = text_[begin + 1];
    const char sign = sign_at(begin + 2);
    const std::size_t inside = begin + 2 + (sign != '\0');
    add_data(trimmed(rest().substr(0, begin - at_), sign, kind == '{'));
    advance(begin);
    std::size_t raw_begin = 0;
    if (kind == '#') return comment(inside);
    if (kind == '%' && is_raw(inside, &raw_begin)) return raw(raw_begin);
    add(kind == '{' ? Type::kVariableBegin : Type::kBlockBegin, "");
    advance(inside);
    return tag_tokens(kind == '{');
  }

  Result<> comment(std::size_t inside) {
    const std::size_t end = text_.find("#}", inside);
    if (end == std::string::npos) return refuse("a comment without end", "#}");
    const char sign = end > inside ? sign_at(end - 1) : '\0';
    advance(end + 2);
    end_of_tag(sign);
    return {};
  }

  // What the end of a block or a comment swallows.
  void end_of_tag(char sign) {
    if (sign == '-') skip_space();
    if (sign == '\0') skip_newline();
  }

  Result<> raw(std::size_t begin) {
    advance(begin);
    for (std::size_t i = text_.find("{%", at_); i != std::string::npos;
         i = text_.find("{%", i + 1)) {
      const char sign = sign_at(i + 2);
      std::string_view tag = std::string_view(text_).substr(i + 2 + (sign != '\0'));
      tag = strip(tag, nullptr, true, false);
      if (!tag.starts_with("endraw")) continue;
      tag = strip(tag.substr(6), nullptr, true, false);
      const char end_sign = tag.starts_with("-%}") ? '-' : tag.starts_with("+%}") ? '+' : '\0';
      if (end_sign == '\0' && !tag.starts_with("%}")) continue;
      add_data(trimmed(rest().substr(0, i - at_), sign, false));
      advance(text_.size() - tag.size() + 2 + (end_sign != '\0'));
      end_of_tag(end_sign);
      return {};
    }
    return refuse("{% raw %} without end", "{% endraw %}");
  }

  // Whether a tag ends here; the end is consumed with the white space that it swallows.
  bool take_end(bool is_variable) {
    const char sign = at("-") ? '-' : at("+") && !is_variable ? '+' : '\0';
    const std::string_view end = is_variable ? "}}" : "%}";
    if (!rest().substr(sign != '\0').starts_with(end)) return false;
    add(is_variable ? Type::kVariableEnd : Type::kBlockEnd, "");
    advance(at_ + 2 + (sign != '\0'));
    if (!is_variable || sign == '-') end_of_tag(sign);
    return true;
  }

  Result<> tag_tokens(bool is_variable) {
    std::string open;  // the closing brackets that are awaited
    while (at_ < text_.size()) {
      if (open.empty() && take_end(is_variable)) return {};
      if (is_space(first_character(rest()))) {
        skip_space();
      } else if (is_digit(text_[at_])) {
        TRY(number());
      } else if (starts_name(text_[at_])) {
        std::size_t end = at_;
        while (end < text_.size() && continues_name(text_[end])) ++end;
        add(Type::kName, rest().substr(0, end - at_));
        advance(end);
      } else if (text_[at_] == '"' || text_[at_] == '\'') {
        TRY(string());
      } else {
        TRY(operation(&open));
      }
    }
    return refuse("the end of the template inside a tag", is_variable ? "}}" : "%}");
  }

  Result<> number() {
    const std::string_view all = rest();
    std::size_t end = 0;
    const auto digits = [&](auto accepts) {
      const std::size_t from = end;
      while (end < all.size() && (accepts(all[end]) || (all[end] == '_' && end > from))) ++end;
      while (end > from && all[end - 1] == '_') --end;
      return end > from;
    };
    if (all.size() > 2 && all[0] == '0' && std::isalpha(static_cast<unsigned char>(all[1]))) {
      return refuse(std::string(all.substr(0, 3)), "a decimal number");
    }
    digits(is_digit);
    const std::size_t whole = end;
    // x.0.5 is an element of an element, not a float.
    const bool may_be_float = at_ == 0 || text_[at_ - 1] != '.';
    if (may_be_float && end + 1 < all.size() && all[end] == '.' && is_digit(all[end + 1])) {
      ++end;
      digits(is_digit);
    }
    if (may_be_float && end < all.size() && (all[end] == 'e' || all[end] == 'E')) {
      const std::size_t mantissa = end++;
      if (end < all.size() && (all[end] == '+' || all[end] == '-')) ++end;
      if (!digits(is_digit)) end = mantissa;
    }
    std::string text(all.substr(0, end));
    std::erase(text, '_');
    const char* const last = text.data() + text.size();
    if (end > whole) {
      double real = 0;
      if (std::from_chars(text.data(), last, real).ec != std::errc()) {
        return refuse(text, "a number that a double holds");
      }
      add(Type::kFloat, text);
      tokens_.back().real = real;
    } else {
      std::int64_t integer = 0;
      const bool leading_zero = text[0] == '0' && text.find_first_not_of('0') != std::string::npos;
      if (leading_zero || std::from_chars(text.data(), last, integer).ec != std::errc()) {
        return refuse(text, "a whole number of at most 64 bits, without leading zeros");
      }
      add(Type::kInteger, text);
      tokens_.back().integer = integer;
    }
    advance(at_ + end);
    return {};
  }

  Result<> string() {
    const char quote = text_[at_];
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return refuse("a string without end", "a closing quotation mark");
    const std::string_view literal = rest().substr(1, end - at_ - 1);
    const auto value = unescape_literal(literal);
    if (!value) {
      return refuse(fmt::format("the string '{}'", literal), "escapes of Python, without \\N{...}");
    }
    add(Type::kString, *value);
    advance(end + 1);
    return {};
  }

  Result<> operation(std::string* open) {
    constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    std::size_t bytes = 0;
    for (const std::string_view two : kTwo) {
      if (at(two)) bytes = 2;
    }
    if (bytes == 0 && kOne.find(text_[at_]) != std::string_view::npos) bytes = 1;
    const std::string_view text = rest().substr(0, bytes);
    if (bytes == 0) {
      return refuse(
          fmt::format("the character '{}'", rest().substr(0, utf8_character_bytes(text_[at_]))),
          "an expression of Jinja");
    }
    if (text == "(" || text == "[" || text == "{") {
      *open += text == "(" ? ')' : text == "[" ? ']' : '}';
    } else if (text == ")" || text == "]" || text == "}") {
      if (open->empty() || open->back() != text[0]) {
        return refuse(fmt::format("'{}'", text),
                      open->empty() ? "an expression" : fmt::format("'{}'", open->back()));
      }
      open->pop_back();
    }
    add(Type::kOperator, text);
    advance(at_ + bytes);
    return {};
  }

  const std::string text_;
  const std::string_view where_;
  std::size_t at_ = 0;
  Place place_;
  bool line_starting_ = true;  // what was consumed last ended a line
  std::vector<Token> tokens_;
};

}  // namespace

tl::unexpected<Error> syntax_error(std::string_view where, Place place, std::string got,
                                   std::string wanted) {
  return fail({.what = "the chat template cannot be read",
               .where = fmt::format("{}, {}", where, place.text()),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "see docs/chat_templates.md for what is supported"});
}

Result<std::vector<Token>> tokenize(std::string_view source, std::string_view where) {
  return Lexer(source, where).run();
}

}  // namespace farthing::jinja
