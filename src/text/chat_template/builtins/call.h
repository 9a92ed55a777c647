// Call: the arguments of one call of a filter, a test, a method, a function or a macro.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/chat_template/builtins/builtin.h"
#include "text/chat_template/run/interpreter.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

class Call {
 public:
  Call(Interpreter& interpreter, Value operand) : in(interpreter), self(std::move(operand)) {}

  Interpreter& in;
  Value self;  // what stands in front of | or is or the method's dot; none for functions
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // Sorts the arguments by the parameters' names, for the getters below.
  Result<> bind(const Builtin& builtin);

  // Null where argument `i` was not given.
  const Value* given(std::size_t i) const {
    return i < bound_.size() && bound_[i] ? &*bound_[i] : nullptr;
  }
  // Null where it was not given or is none.
  const Value* some(std::size_t i) const {
    const Value* value = given(i);
    return value != nullptr && value->is(Kind::kNone) ? nullptr : value;
  }
  bool truth(std::size_t i) const;  // false where it was not given
  Result<std::int64_t> integer(std::size_t i, std::int64_t otherwise) const;
  // Fails on what is not a text.
  Result<std::string> text(std::size_t i) const;

  // An error of this call.
  tl::unexpected<Error> refuse(std::string got, std::string wanted) const;

 private:
  std::string name_;
  std::vector<std::optional<Value>> bound_;
};

}  // namespace farthing::jinja
