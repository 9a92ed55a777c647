// The tests: what stands behind `is`.
#include <fmt/format.h>

#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/compare.h"

namespace farthing::jinja {
namespace {

template <class T>
bool is_object(const Value& value) {
  return value.is(Kind::kObject) && dynamic_cast<const T*>(&value.object()) != nullptr;
}

// The remainder of dividing the operand by `divisor`, compared with `wanted`.
Result<Value> remainder_is(Call& call, const Value& divisor, int wanted) {
  if (!is_number(call.self)) return operand_error("%", call.self, divisor);
  const Value remainder = TRY(arithmetic(Operator::kModulo, call.self, divisor, &call.in.budget()));
  return Value(TRY(equal(remainder, Value(wanted), &call.in.budget())));
}

// Whether there are letters and all of them have this case.
Result<Value> all_in_case(Call& call, char first, char last, char other_first, char other_last) {
  const std::string text = TRY(call.in.text(call.self));
  if (!is_ascii(text)) return call.refuse("a text with other letters", "ASCII letters");
  bool found = false;
  for (const char c : text) {
    if (c >= other_first && c <= other_last) return Value(false);
    found = found || (c >= first && c <= last);
  }
  return Value(found);
}

Result<int> ordered(Call& call) { return order(call.self, *call.given(0), &call.in.budget()); }

}  // namespace

Result<Value> test_defined(Call& call) { return Value(!call.self.is(Kind::kUndefined)); }
Result<Value> test_undefined(Call& call) { return Value(call.self.is(Kind::kUndefined)); }
Result<Value> test_none(Call& call) { return Value(call.self.is(Kind::kNone)); }
Result<Value> test_boolean(Call& call) { return Value(call.self.is(Kind::kBoolean)); }
Result<Value> test_true(Call& call) { return Value(call.self.same(Value(true))); }
Result<Value> test_false(Call& call) { return Value(call.self.same(Value(false))); }
Result<Value> test_integer(Call& call) { return Value(call.self.is(Kind::kInteger)); }
Result<Value> test_float(Call& call) { return Value(call.self.is(Kind::kFloat)); }
Result<Value> test_number(Call& call) { return Value(is_number(call.self)); }
Result<Value> test_string(Call& call) { return Value(call.self.is(Kind::kString)); }
Result<Value> test_mapping(Call& call) { return Value(call.self.is(Kind::kMap)); }

// What has a length and elements by number; jinja2 counts dictionaries and undefined too.
Result<Value> test_sequence(Call& call) {
  return Value(call.self.is(Kind::kString) || call.self.is(Kind::kMap) ||
               call.self.is(Kind::kUndefined) ||
               (call.self.is(Kind::kSequence) && !call.self.is_view()));
}

Result<Value> test_iterable(Call& call) {
  return Value(call.self.is(Kind::kString) || call.self.is(Kind::kMap) ||
               call.self.is(Kind::kUndefined) || call.self.is(Kind::kSequence) ||
               is_object<Iterator>(call.self) || is_object<Loop>(call.self));
}

Result<Value> test_callable(Call& call) {
  return Value(call.self.is(Kind::kUndefined) || is_object<Macro>(call.self) ||
               is_object<Function>(call.self) || is_object<Loop>(call.self));
}

Result<Value> test_odd(Call& call) { return remainder_is(call, Value(2), 1); }
Result<Value> test_even(Call& call) { return remainder_is(call, Value(2), 0); }
Result<Value> test_divisibleby(Call& call) { return remainder_is(call, *call.given(0), 0); }

Result<Value> test_lower(Call& call) { return all_in_case(call, 'a', 'z', 'A', 'Z'); }
Result<Value> test_upper(Call& call) { return all_in_case(call, 'A', 'Z', 'a', 'z'); }

Result<Value> test_sameas(Call& call) { return Value(call.self.same(*call.given(0))); }
Result<Value> test_in(Call& call) {
  return Value(TRY(call.in.contains(*call.given(0), call.self)));
}

Result<Value> test_eq(Call& call) {
  return Value(TRY(equal(call.self, *call.given(0), &call.in.budget())));
}
Result<Value> test_ne(Call& call) {
  return Value(!TRY(equal(call.self, *call.given(0), &call.in.budget())));
}
Result<Value> test_lt(Call& call) { return Value(TRY(ordered(call)) < 0); }
Result<Value> test_le(Call& call) { return Value(TRY(ordered(call)) <= 0); }
Result<Value> test_gt(Call& call) { return Value(TRY(ordered(call)) > 0); }
Result<Value> test_ge(Call& call) { return Value(TRY(ordered(call)) >= 0); }

}  // namespace farthing::jinja
