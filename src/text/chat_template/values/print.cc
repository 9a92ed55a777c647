// str and repr.
#include "text/chat_template/values/print.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/refusal.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = utf8_character_bytes(text[i]);
    const char32_t c = first_character(text.substr(i));
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += text[i];
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      out += text.substr(i, bytes);
    } else {
      const auto code = static_cast<std::uint32_t>(c);
      out += c < 0x100     ? fmt::format("\\x{:02x}", code)
             : c < 0x10000 ? fmt::format("\\u{:04x}", code)
                           : fmt::format("\\U{:08x}", code);
    }
    i += bytes;
  }
  return out + quote;
}

class Printer {
 public:
  explicit Printer(Budget* budget) : budget_(budget) {}

  Result<> repr(const Value& value) {
    TRY(budget_->spend(kStepsOfElement));
    switch (value.kind()) {
      case Kind::kNone:
        out += "None";
        return {};
      case Kind::kBoolean:
        out += value.boolean() ? "True" : "False";
        return {};
      case Kind::kInteger:
        out += std::to_string(value.integer());
        return {};
      case Kind::kFloat:
        out += float_text(value.real());
        return {};
      case Kind::kUndefined:
        out += "Undefined";
        return {};
      case Kind::kString:
        TRY(budget_->spend_bytes(value.text().size()));
        out += value.is_markup() ? fmt::format("Markup({})", quoted(value.text()))
                                 : quoted(value.text());
        return {};
      case Kind::kMap:
        return map(value.map());
      case Kind::kSequence:
        return sequence(value);
      case Kind::kObject:
        break;
    }
    return refused("the chat template prints what has no text",
                   fmt::format("a {}", value.type_name()),
                   "a text, a number, a list or a dictionary");
  }

  std::string out;

 private:
  Result<> members(const List& items) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += ", ";
      TRY(repr(items[i]));
    }
    return {};
  }

  Result<> map(const Map& map) {
    out += '{';
    bool first = true;
    for (const auto& [key, value] : map.members()) {
      if (!first) out += ", ";
      first = false;
      TRY(repr(key));
      out += ": ";
      TRY(repr(value));
    }
    out += '}';
    return {};
  }

  Result<> sequence(const Value& value) {
    const List& items = value.items();
    if (value.is_view()) {
      out += fmt::format("{}([", value.type_name());
      TRY(members(items));
      out += "])";
    } else if (value.is_tuple()) {
      out += '(';
      TRY(members(items));
      out += items.size() == 1 ? ",)" : ")";
    } else if (value.is_list()) {
      out += '[';
      TRY(members(items));
      out += ']';
    } else {
      return refused("the chat template prints a range", "a range",
                     "a list made of it by the filter list");
    }
    return {};
  }

  Budget* budget_;
};

}  // namespace

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  const std::string sign = text[0] == '-' ? "-" : "";
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  if (exponent < -4 || exponent >= 16) {
    if (digits.size() > 1) digits.insert(1, 1, '.');
    return fmt::format("{}{}e{}{:02}", sign, digits, exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) {
    const std::string zeros(static_cast<std::size_t>(-exponent - 1), '0');
    return fmt::format("{}0.{}{}", sign, zeros, digits);
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() < whole + 1) digits.resize(whole + 1, '0');
  return fmt::format("{}{}.{}", sign, digits.substr(0, whole), digits.substr(whole));
}

Result<std::string> to_text(const Value& value, Budget* budget) {
  if (value.is(Kind::kString)) return value.text();
  if (value.is(Kind::kUndefined)) return std::string();
  Printer printer(budget);
  TRY(printer.repr(value));
  return std::move(printer.out);
}

}  // namespace farthing::jinja
