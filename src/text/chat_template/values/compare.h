// Python's truth, equality, order and membership.
#pragma once

#include "base/result.h"
#include "text/chat_template/values/limits.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

// bool(value); an object is true, whatever it holds.
bool is_true(const Value& value);

Result<bool> equal(const Value& a, const Value& b, Budget* budget);

// Negative where a is less than b, 0 where they are equal, positive else. Fails on types that
// Python does not order. NaN is not supported.
Result<int> order(const Value& a, const Value& b, Budget* budget);

// Whether a number, a boolean counting as 0 or 1, and its value as a float.
bool is_number(const Value& value);
double number_of(const Value& value);
// Whether an integer, a boolean counting as 0 or 1, and its value.
bool is_integer(const Value& value);
std::int64_t integer_of(const Value& value);

}  // namespace farthing::jinja
