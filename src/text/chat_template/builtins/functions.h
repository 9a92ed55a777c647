// Every function of the lists, declared from the lists.
#pragma once

#include "text/chat_template/builtins/call.h"

namespace farthing::jinja {

#define BUILTIN(name, function, required, parameters) Result<Value> function(Call& call);
#define METHOD(type, name, function, required, parameters) Result<Value> function(Call& call);
#include "text/chat_template/builtins/filters.inc"
#include "text/chat_template/builtins/functions.inc"
#include "text/chat_template/builtins/methods.inc"
#include "text/chat_template/builtins/tests.inc"
#undef BUILTIN
#undef METHOD

// The ways in which several filters of lists look at an element:

// The element at `path`, as jinja2's make_attrgetter finds it: names and indices with dots between.
Result<Value> at_path(Interpreter& in, const Value& item, const Value& path);
// A text in lower case, anything else as it is.
Result<Value> ignoring_case(const Value& value);
// A generator that makes its elements when the first one is wanted.
Value make_iterator(std::function<Result<List>()> produce);

// The text `value` with `old` replaced by `by` at most `count` times; below 0: everywhere.
Result<std::string> replaced(Interpreter& in, const std::string& value, const std::string& old,
                             const std::string& by, std::int64_t count);

}  // namespace farthing::jinja
