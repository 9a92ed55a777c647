// Filters that make numbers.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/compare.h"

namespace farthing::jinja {
namespace {

// The text of a number without white space around it, a plus sign, and the single underscores
// that Python allows between digits; nothing where they stand elsewhere.
std::optional<std::string> number_text(std::string_view text) {
  text = strip(text, nullptr, true, true);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  const auto digit_at = [&](std::size_t i) {
    return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i]));
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || !digit_at(i - 1) || !digit_at(i + 1)) {
      return std::nullopt;
    }
  }
  return out;
}

template <class T>
std::optional<T> parsed(std::string_view text) {
  const auto clean = number_text(text);
  if (!clean) return std::nullopt;
  T number{};
  const char* const end = clean->data() + clean->size();
  const auto read = std::from_chars(clean->data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

// int(number) of a float.
Result<std::optional<std::int64_t>> truncated(double number, const Call& call) {
  if (!std::isfinite(number)) return std::optional<std::int64_t>();
  if (std::abs(number) >= 0x1p63) return call.refuse("a number beyond 64 bits", "a smaller one");
  return std::optional<std::int64_t>(static_cast<std::int64_t>(number));
}

// Whole digits, signed: what int() takes and is too long for 64 bits.
bool is_long_integer(std::string_view text) {
  const auto clean = number_text(text);
  if (!clean) return false;
  const std::string_view digits = std::string_view(*clean).substr(clean->starts_with('-'));
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Result<Value> filter_abs(Call& call) {
  if (is_integer(call.self) && integer_of(call.self) < 0) return negative(call.self);
  if (is_integer(call.self)) return Value(integer_of(call.self));
  if (call.self.is(Kind::kFloat)) return Value(std::abs(call.self.real()));
  return call.refuse(fmt::format("a {}", call.self.type_name()), "a number");
}

Result<Value> filter_int(Call& call) {
  const Value otherwise = call.given(0) != nullptr ? *call.given(0) : Value(0);
  if (call.self.is(Kind::kUndefined)) return undefined_error(call.self);
  if (is_integer(call.self)) return Value(integer_of(call.self));
  std::optional<double> number;
  if (call.self.is(Kind::kFloat)) {
    number = call.self.real();
  } else if (call.self.is(Kind::kString)) {
    const std::string& text = call.self.text();
    if (!is_ascii(text)) return call.refuse("a text with other characters", "ASCII digits");
    if (const auto integer = parsed<std::int64_t>(text)) return Value(*integer);
    if (is_long_integer(text)) return call.refuse("a number beyond 64 bits", "a smaller one");
    number = parsed<double>(text);
  }
  if (!number) return otherwise;
  const std::optional<std::int64_t> integer = TRY(truncated(*number, call));
  return integer ? Value(*integer) : otherwise;
}

Result<Value> filter_float(Call& call) {
  if (call.self.is(Kind::kUndefined)) return undefined_error(call.self);
  if (is_number(call.self)) return Value(number_of(call.self));
  if (call.self.is(Kind::kString)) {
    if (!is_ascii(call.self.text())) return call.refuse("a text with other characters", "ASCII");
    if (const auto number = parsed<double>(call.self.text())) return Value(*number);
  }
  return call.given(0) != nullptr ? *call.given(0) : Value(0.0);
}

Result<Value> filter_round(Call& call) {
  const std::int64_t precision = TRY(call.integer(0, 0));
  const std::string method = call.given(1) != nullptr ? TRY(call.text(1)) : "common";
  if (call.self.is(Kind::kUndefined)) return undefined_error(call.self);
  if (!is_number(call.self) || precision < 0 || precision > 15) {
    return call.refuse(fmt::format("a {}, precision {}", call.self.type_name(), precision),
                       "a number, and a precision from 0 to 15");
  }
  const double number = number_of(call.self);
  if (!std::isfinite(number)) return call.refuse("a number that is not finite", "a finite one");
  if (method == "common") {
    if (is_integer(call.self)) return Value(integer_of(call.self));
    // The decimal form is exact and rounds half to even, as Python's round does.
    return Value(std::strtod(fmt::format("{:.{}f}", number, precision).c_str(), nullptr));
  }
  double scale = 1;
  for (std::int64_t i = 0; i < precision; ++i) scale *= 10;
  if (method == "ceil") return Value(std::ceil(number * scale) / scale);
  if (method == "floor") return Value(std::floor(number * scale) / scale);
  return call.refuse(fmt::format("the method {}", method), "common, ceil or floor");
}

}  // namespace farthing::jinja
