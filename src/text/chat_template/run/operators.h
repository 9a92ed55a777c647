// Python's operators on values.
#pragma once

#include "base/result.h"
#include "text/chat_template/syntax/syntax.h"
#include "text/chat_template/values/limits.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

// + - * / // % **. Whole numbers have 64 bits: what does not fit is an error. `%` on a text and
// powers that are not whole are not supported.
Result<Value> arithmetic(Operator operation, const Value& a, const Value& b, Budget* budget);
Result<Value> negative(const Value& operand);

// Subscripts of one slice, text[begin:end:step]; null where left out.
Result<Value> slice(const Value& value, const Value* begin, const Value* end, const Value* step,
                    Budget* budget);

// The error of using what is not defined.
tl::unexpected<Error> undefined_error(const Value& value);
// The error of an operation that Python does not have for these types, or of its limits here.
tl::unexpected<Error> operand_error(std::string_view operation, const Value& a, const Value& b);

}  // namespace farthing::jinja
