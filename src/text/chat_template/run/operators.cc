// Arithmetic, concatenation and slices.
#include "text/chat_template/run/operators.h"
#include "base/html_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {
namespace {

std::string_view sign_of(Operator operation) {
  switch (operation) {
    case Operator::kAdd:
      return "+";
    case Operator::kSubtract:
      return "-";
    case Operator::kMultiply:
      return "*";
    case Operator::kDivide:
      return "/";
    case Operator::kFloorDivide:
      return "//";
    case Operator::kModulo:
      return "%";
    default:
      return "**";
  }
}

tl::unexpected<Error> number_error(std::string got) {
  return refused("the chat template computes a number that is not supported", std::move(got),
                 "whole numbers of 64 bits, divided by other numbers than 0");
}

Result<Value> power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (base == 0 || base == 1) return Value(base);
    if (base == -1) return Value(exponent % 2 == 0 ? 1 : -1);
    if (__builtin_mul_overflow(result, base, &result))
      return number_error("a power beyond 64 bits");
  }
  return Value(result);
}

Result<Value> integers(Operator operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (operation) {
    case Operator::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::kPower:
      if (b < 0) return number_error("a negative power");
      return power(a, b);
    default:
      if (b == 0) return number_error("a division by 0");
      if (operation == Operator::kDivide) {
        return Value(static_cast<double>(a) / static_cast<double>(b));
      }
      if (b == -1)
        return operation == Operator::kModulo ? Value(0) : integers(Operator::kMultiply, a, b);
      // Python rounds the quotient down; the remainder has the divisor's sign.
      const std::int64_t remainder = a % b;
      const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
      result = operation == Operator::kModulo ? remainder + (adjust ? b : 0) : a / b - adjust;
  }
  if (overflow) return number_error(fmt::format("{} {} {}", a, sign_of(operation), b));
  return Value(result);
}

Result<Value> floats(Operator operation, double a, double b) {
  switch (operation) {
    case Operator::kAdd:
      return Value(a + b);
    case Operator::kSubtract:
      return Value(a - b);
    case Operator::kMultiply:
      return Value(a * b);
    case Operator::kPower:
      return number_error("a power of a float");
    default:
      break;
  }
  if (b == 0) return number_error("a division by 0");
  if (operation == Operator::kDivide) return Value(a / b);
  double remainder = std::fmod(a, b);
  if (remainder != 0 && (remainder < 0) != (b < 0)) remainder += b;
  if (operation == Operator::kModulo)
    return Value(remainder == 0 ? std::copysign(0.0, b) : remainder);
  return Value(std::floor((a - remainder) / b + 0.5));
}

Result<Value> joined_texts(const Value& a, const Value& b, Budget* budget) {
  TRY(budget->spend_bytes(a.text().size() + b.text().size()));
  if (!a.is_markup() && !b.is_markup()) return Value(a.text() + b.text());
  TRY(budget->spend_bytes(5 * (a.text().size() + b.text().size())));  // escapes take up to 6 bytes
  return Value::markup((a.is_markup() ? a.text() : html_text(a.text())) +
                       (b.is_markup() ? b.text() : html_text(b.text())));
}

Result<Value> repeated(const Value& value, std::int64_t times, Budget* budget) {
  times = std::max<std::int64_t>(times, 0);
  const bool is_text = value.is(Kind::kString);
  const std::size_t size = is_text ? value.text().size() : value.items().size();
  std::size_t total = 0;
  if (__builtin_mul_overflow(size, static_cast<std::size_t>(times), &total)) total = SIZE_MAX;
  TRY(is_text ? budget->spend_bytes(total) : budget->spend_new_items(total));
  if (size == 0) times = 0;
  if (is_text) {
    std::string text;
    for (std::int64_t i = 0; i < times; ++i) text += value.text();
    return value.is_markup() ? Value::markup(std::move(text)) : Value(std::move(text));
  }
  List items;
  for (std::int64_t i = 0; i < times; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return Value::sequence(std::move(items), value.sequence_type());
}

bool can_be_repeated(const Value& value) {
  return value.is(Kind::kString) || value.is_list() || value.is_tuple();
}

struct Bounds {
  std::int64_t begin, end, step;
};

// Python's slice.indices.
Result<Bounds> bounds_of(const Value* begin, const Value* end, const Value* step,
                         std::int64_t size) {
  const auto number = [](const Value* bound) -> Result<std::optional<std::int64_t>> {
    if (bound == nullptr || bound->is(Kind::kNone)) return std::optional<std::int64_t>();
    if (bound->is(Kind::kUndefined)) return undefined_error(*bound);
    if (!is_integer(*bound)) {
      return refused("the chat template slices by what is not a whole number",
                     fmt::format("a {}", bound->type_name()), "whole numbers");
    }
    return std::optional<std::int64_t>(integer_of(*bound));
  };
  const auto first = TRY(number(begin)), last = TRY(number(end));
  const std::int64_t stride = TRY(number(step)).value_or(1);
  if (stride == 0) return number_error("a slice with step 0");
  const std::int64_t lowest = stride > 0 ? 0 : -1, highest = stride > 0 ? size : size - 1;
  const auto place = [&](std::int64_t bound) {
    return std::clamp(bound < 0 ? bound + size : bound, lowest, highest);
  };
  return Bounds{first        ? place(*first)
                : stride > 0 ? lowest
                             : highest,
                last         ? place(*last)
                : stride > 0 ? highest
                             : lowest,
                stride};
}

template <class Visit>
void walk(const Bounds& bounds, std::int64_t size, const Visit& visit) {
  // A step beyond the size reaches nothing more, and must not overflow.
  const std::int64_t step = std::clamp(bounds.step, -size - 1, size + 1);
  for (std::int64_t i = bounds.begin; step > 0 ? i < bounds.end : i > bounds.end; i += step) {
    visit(static_cast<std::size_t>(i));
  }
}

}  // namespace

tl::unexpected<Error> undefined_error(const Value& value) {
  return refused("the chat template uses what is not defined", value.why_undefined());
}

tl::unexpected<Error> operand_error(std::string_view operation, const Value& a, const Value& b) {
  if (a.is(Kind::kUndefined)) return undefined_error(a);
  if (b.is(Kind::kUndefined)) return undefined_error(b);
  return refused("the chat template has an operation that is not supported for its values",
                 fmt::format("{} {} {}", a.type_name(), operation, b.type_name()),
                 "operands that Python has it for, and no text in front of %");
}

Result<Value> arithmetic(Operator operation, const Value& a, const Value& b, Budget* budget) {
  if (is_integer(a) && is_integer(b)) return integers(operation, integer_of(a), integer_of(b));
  if (is_number(a) && is_number(b)) return floats(operation, number_of(a), number_of(b));
  if (operation == Operator::kAdd) {
    if (a.is(Kind::kString) && b.is(Kind::kString)) return joined_texts(a, b, budget);
    if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) {
      TRY(budget->spend_new_items(a.items().size() + b.items().size()));
      List items = a.items();
      items.insert(items.end(), b.items().begin(), b.items().end());
      return Value::sequence(std::move(items), a.sequence_type());
    }
  }
  if (operation == Operator::kMultiply) {
    if (can_be_repeated(a) && is_integer(b)) return repeated(a, integer_of(b), budget);
    if (is_integer(a) && can_be_repeated(b)) return repeated(b, integer_of(a), budget);
  }
  return operand_error(sign_of(operation), a, b);
}

Result<Value> negative(const Value& operand) {
  if (is_integer(operand)) return integers(Operator::kSubtract, 0, integer_of(operand));
  if (operand.is(Kind::kFloat)) return Value(-operand.real());
  return operand_error("-", Value(0), operand);
}

Result<Value> slice(const Value& value, const Value* begin, const Value* end, const Value* step,
                    Budget* budget) {
  if (value.is(Kind::kString)) {
    TRY(budget->spend_characters(value.text().size()));
    const std::vector<std::string_view> all = characters(value.text());
    const auto size = static_cast<std::int64_t>(all.size());
    std::string out;
    walk(TRY(bounds_of(begin, end, step, size)), size, [&](std::size_t i) { out += all[i]; });
    return value.is_markup() ? Value::markup(std::move(out)) : Value(std::move(out));
  }
  if (value.is_list() || value.is_tuple()) {
    TRY(budget->spend_new_items(value.items().size()));
    const auto size = static_cast<std::int64_t>(value.items().size());
    List out;
    walk(TRY(bounds_of(begin, end, step, size)), size,
         [&](std::size_t i) { out.push_back(value.items()[i]); });
    return Value::sequence(std::move(out), value.sequence_type());
  }
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  return refused("the chat template slices what cannot be sliced",
                 fmt::format("a {}", value.type_name()), "a text, a list or a tuple");
}

}  // namespace farthing::jinja
