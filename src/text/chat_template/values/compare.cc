// Truth, equality and order of values.
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace farthing::jinja {
namespace {

bool equal_numbers(const Value& a, const Value& b) {
  if (is_integer(a) && is_integer(b)) return integer_of(a) == integer_of(b);
  return number_of(a) == number_of(b);
}

Result<bool> equal_items(const List& a, const List& b, Budget* budget) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!TRY(equal(a[i], b[i], budget))) return false;
  }
  return true;
}

Result<bool> equal_maps(const Map& a, const Map& b, Budget* budget) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a.members()) {
    const Value* other = b.find(key);
    if (other == nullptr || !TRY(equal(value, *other, budget))) return false;
  }
  return true;
}

}  // namespace

bool is_integer(const Value& value) { return value.is(Kind::kInteger) || value.is(Kind::kBoolean); }
bool is_number(const Value& value) { return is_integer(value) || value.is(Kind::kFloat); }
std::int64_t integer_of(const Value& value) {
  return value.is(Kind::kBoolean) ? value.boolean() : value.integer();
}
double number_of(const Value& value) {
  return value.is(Kind::kFloat) ? value.real() : static_cast<double>(integer_of(value));
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Kind::kNone:
    case Kind::kUndefined:
      return false;
    case Kind::kBoolean:
      return value.boolean();
    case Kind::kInteger:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.real() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kSequence:
      return !value.items().empty();
    case Kind::kMap:
      return !value.map().empty();
    case Kind::kObject:
      return true;
  }
  return false;
}

Result<bool> equal(const Value& a, const Value& b, Budget* budget) {
  TRY(budget->spend(kStepsOfElement));
  if (is_number(a) && is_number(b)) return equal_numbers(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNone:
    case Kind::kUndefined:
      return true;
    case Kind::kString:
      TRY(budget->spend_bytes(std::min(a.text().size(), b.text().size())));
      return a.text() == b.text();
    case Kind::kMap:
      return equal_maps(a.map(), b.map(), budget);
    case Kind::kObject:
      return a.same(b);
    default:
      break;
  }
  if (a.is_view() || b.is_view()) {
    return refused("the chat template compares a view of a dictionary",
                   fmt::format("{} and {}", a.type_name(), b.type_name()),
                   "lists, made of views by the filter list");
  }
  if (a.sequence_type() != b.sequence_type()) return false;
  return equal_items(a.items(), b.items(), budget);
}

Result<int> order(const Value& a, const Value& b, Budget* budget) {
  TRY(budget->spend(kStepsOfElement));
  if (is_integer(a) && is_integer(b)) {
    return integer_of(a) < integer_of(b) ? -1 : integer_of(a) > integer_of(b);
  }
  if (is_number(a) && is_number(b)) {
    const double x = number_of(a), y = number_of(b);
    if (!std::isnan(x) && !std::isnan(y)) return x < y ? -1 : x > y;
  }
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    TRY(budget->spend_bytes(std::min(a.text().size(), b.text().size())));
    return a.text().compare(b.text());  // bytes of UTF-8 have the order of their characters
  }
  if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) {
    const List &x = a.items(), &y = b.items();
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!TRY(equal(x[i], y[i], budget))) return order(x[i], y[i], budget);
    }
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
  for (const Value* side : {&a, &b}) {
    if (side->is(Kind::kUndefined)) {
      return refused("the chat template uses what is not defined", side->why_undefined());
    }
  }
  return refused("the chat template orders values that have no order",
                 fmt::format("{} and {}", a.type_name(), b.type_name()),
                 "two numbers or two texts");
}

}  // namespace farthing::jinja
