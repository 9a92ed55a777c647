// What lives only while a template runs: scopes, and the objects that templates make and use.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/chat_template/syntax/syntax.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

// The variables of the template, of one pass of a loop, or of one call of a macro.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> variables;

  void set(const std::string& name, Value value) {
    for (auto& [other, old] : variables) {
      if (other == name) {
        old = std::move(value);
        return;
      }
    }
    variables.emplace_back(name, std::move(value));
  }
  // Here or further out; null where there is none.
  const Value* find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      for (const auto& [other, value] : scope->variables) {
        if (other == name) return &value;
      }
    }
    return nullptr;
  }
};
using ScopePtr = std::shared_ptr<Scope>;

struct Namespace : Object {
  std::string_view type_name() const override { return "Namespace"; }
  Map members;
};

// A Python generator: true, without length, and empty after it was read once.
struct Iterator : Object {
  std::string_view type_name() const override { return "generator"; }
  std::function<Result<List>()> produce;  // called when the first element is wanted
  List items;
  std::size_t next = 0;

  // The elements that are left are items[next] and those behind it.
  Result<> start() {
    if (produce == nullptr) return {};
    items = TRY(std::exchange(produce, nullptr)());
    return {};
  }
};

struct Macro : Object {
  std::string_view type_name() const override { return "Macro"; }
  std::string name;
  const Statement* definition;
  ScopePtr scope;  // where it was defined
};

// A method that is bound to its value, or a global function.
struct Function : Object {
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  const Builtin* builtin;
  Value self;
};

// The variable `loop`. The condition of a loop is asked as late as jinja2 asks it, because the
// body may change what it depends on.
struct Loop : Object {
  std::string_view type_name() const override { return "LoopContext"; }

  List items;
  std::function<Result<bool>(const Value&)> condition;  // null where there is none
  std::int64_t index0 = -1;
  Value current, before;

  // Whether there was one more element, which is `current` now.
  Result<bool> advance();
  // The next element, or null.
  Result<const Value*> peek();
  Result<std::int64_t> length();

 private:
  Result<std::optional<Value>> pull();
  std::size_t next_ = 0;
  std::optional<Value> after_;  // what was peeked at
};

}  // namespace farthing::jinja
