// How statements run.
#include <fmt/format.h>

#include "text/chat_template/builtins/call.h"
#include "text/chat_template/run/interpreter.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {

using Tag = Statement::Kind;

Interpreter::~Interpreter() {
  for (const auto& made : namespaces_) made->members = Map();
  for (const ScopePtr& scope : captured_scopes_) scope->variables.clear();
}

Result<std::string> Interpreter::render(std::vector<std::pair<std::string, Value>> variables) {
  const auto given = std::make_shared<Scope>();
  given->variables = std::move(variables);
  const auto scope = std::make_shared<Scope>();
  scope->parent = given;
  std::string out;
  rendering_ = &out;
  TRY(run(template_.body, scope, &out));
  return out;
}

Result<> Interpreter::write(std::string_view text, std::string* out) {
  TRY(budget_.spend_bytes(text.size()));
  if (out->size() + text.size() > kMostOutputBytes) {
    return refused("the chat template writes too much",
                   fmt::format("more than {} bytes", kMostOutputBytes), "a shorter conversation");
  }
  *out += text;
  return {};
}

Result<Interpreter::Flow> Interpreter::run(const Body& body, const ScopePtr& scope,
                                           std::string* out) {
  for (const Statement& statement : body) {
    const Flow flow = TRY(run(statement, scope, out));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run(const Statement& statement, const ScopePtr& scope,
                                           std::string* out) {
  TRY(enter());
  Result<Flow> flow = run_kind(statement, scope, out);
  --depth_;
  if (!flow && flow.error().where.empty()) {
    flow.error().where = fmt::format("{}, {}", template_.where, statement.place.text());
  }
  return flow;
}

Result<Interpreter::Flow> Interpreter::run_kind(const Statement& statement, const ScopePtr& scope,
                                                std::string* out) {
  switch (statement.kind) {
    case Tag::kData:
      TRY(write(statement.text, out));
      break;
    case Tag::kPrint:
      TRY(write(TRY(text(TRY(evaluate(*statement.expression, scope)))), out));
      break;
    case Tag::kIf:
      return run(is_true(TRY(evaluate(*statement.expression, scope))) ? statement.body
                                                                      : statement.otherwise,
                 scope, out);
    case Tag::kFor:
      return run_for(statement, scope, out);
    case Tag::kSet:
      TRY(assign(statement.target, TRY(evaluate(*statement.expression, scope)), scope));
      break;
    case Tag::kSetBlock:
      return run_set_block(statement, scope);
    case Tag::kMacro:
      scope->set(statement.text, new_macro(statement, statement.text, scope));
      break;
    case Tag::kCall:
      TRY(run_call(statement, scope, out));
      break;
    case Tag::kFilter:
      return run_filter(statement, scope, out);
    case Tag::kGeneration:
      TRY(run_generation(statement, scope, out));
      break;
    case Tag::kBreak:
      return Flow::kBreak;
    case Tag::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run_for(const Statement& statement, const ScopePtr& scope,
                                               std::string* out) {
  const auto loop = std::make_shared<Loop>();
  loop->items = TRY(elements(TRY(evaluate(*statement.expression, scope))));
  if (statement.condition != nullptr) {
    loop->condition = [this, &statement, &scope](const Value& item) -> Result<bool> {
      TRY(budget_.spend(kStepsOfScope));
      const auto asking = std::make_shared<Scope>();
      asking->parent = scope;
      TRY(assign(statement.target, item, asking));
      return is_true(TRY(evaluate(*statement.condition, asking)));
    };
  }
  while (TRY(loop->advance())) {
    TRY(budget_.spend(kStepsOfScope));
    const auto pass = std::make_shared<Scope>();
    pass->parent = scope;
    pass->set("loop", Value(std::shared_ptr<Object>(loop)));
    TRY(assign(statement.target, loop->current, pass));
    const Flow flow = TRY(run(statement.body, pass, out));
    if (flow == Flow::kBreak) break;
  }
  const bool empty = loop->index0 < 0;
  loop->condition = nullptr;  // it refers to this call
  if (!empty) return Flow::kNext;
  const auto otherwise = std::make_shared<Scope>();
  otherwise->parent = scope;
  return run(statement.otherwise, otherwise, out);
}

Result<Interpreter::Flow> Interpreter::run_set_block(const Statement& statement,
                                                     const ScopePtr& scope) {
  std::string text;
  const Flow flow = TRY(body_text(statement.body, scope, &text));
  if (flow != Flow::kNext) return flow;
  Value value(std::move(text));
  if (statement.expression != nullptr) {
    value = TRY(evaluate(*statement.expression, scope, &value));
  }
  TRY(assign(statement.target, value, scope));
  return Flow::kNext;
}

Result<> Interpreter::run_call(const Statement& statement, const ScopePtr& scope,
                               std::string* out) {
  const Value caller = new_macro(statement, "caller", scope);
  return write(TRY(text(TRY(call(*statement.expression, scope, &caller)))), out);
}

Result<Interpreter::Flow> Interpreter::run_filter(const Statement& statement, const ScopePtr& scope,
                                                  std::string* out) {
  std::string body;
  const Flow flow = TRY(body_text(statement.body, scope, &body));
  if (flow != Flow::kNext) return flow;
  const Value value(std::move(body));
  TRY(write(TRY(text(TRY(evaluate(*statement.expression, scope, &value)))), out));
  return Flow::kNext;
}

Result<> Interpreter::run_generation(const Statement& statement, const ScopePtr& scope,
                                     std::string* out) {
  std::string text;
  TRY(body_text(statement.body, scope, &text));
  if (out == rendering_) {
    generated_.emplace_back(out->size(), out->size() + text.size());
  } else {
    hidden_generation_ = statement.place;
  }
  return write(text, out);
}

Result<Interpreter::Flow> Interpreter::body_text(const Body& body, const ScopePtr& scope,
                                                 std::string* text) {
  const auto inner = std::make_shared<Scope>();
  inner->parent = scope;
  return run(body, inner, text);
}

Result<> Interpreter::assign(const Target& target, const Value& value, const ScopePtr& scope) {
  if (!target.is_tuple) {
    if (!target.attribute.empty()) return assign_attribute(target, value, scope);
    scope->set(target.name, value);
    return {};
  }
  const List items = TRY(elements(value));
  if (items.size() != target.parts.size()) {
    return refused("the chat template assigns a wrong number of values",
                   fmt::format("{} values", items.size()), fmt::format("{}", target.parts.size()));
  }
  for (std::size_t i = 0; i < items.size(); ++i) TRY(assign(target.parts[i], items[i], scope));
  return {};
}

Result<> Interpreter::assign_attribute(const Target& target, const Value& value,
                                       const ScopePtr& scope) {
  const Value* found = scope->find(target.name);
  auto* names = found != nullptr && found->is(Kind::kObject)
                    ? dynamic_cast<Namespace*>(&found->object())
                    : nullptr;
  if (names == nullptr || target.attribute.starts_with('_')) {
    return refused("the chat template sets an attribute that it may not set",
                   fmt::format("{}.{}", target.name, target.attribute),
                   "an attribute of a namespace, without underscore in front");
  }
  names->members.set(Value(target.attribute), value);
  return {};
}

Value Interpreter::new_macro(const Statement& statement, std::string name, const ScopePtr& scope) {
  const auto macro = std::make_shared<Macro>();
  macro->name = std::move(name);
  macro->definition = &statement;
  macro->scope = scope;
  captured_scopes_.push_back(scope);
  return Value(std::shared_ptr<Object>(macro));
}

Value Interpreter::new_namespace(Map members) {
  namespaces_.push_back(std::make_shared<Namespace>());
  namespaces_.back()->members = std::move(members);
  return Value(std::shared_ptr<Object>(namespaces_.back()));
}

Result<Value> Interpreter::call_macro(const Macro& macro, Call& call) {
  const auto refuse = [&](std::string got) {
    return refused(fmt::format("the chat template calls the macro '{}' wrongly", macro.name),
                   std::move(got), "each of its parameters at most once");
  };
  TRY(budget_.spend(kStepsOfScope));
  TRY(enter());
  const std::vector<Parameter>& parameters = macro.definition->parameters;
  if (call.positional.size() > parameters.size()) {
    return refuse(fmt::format("{} arguments", call.positional.size()));
  }
  const auto scope = std::make_shared<Scope>();
  scope->parent = macro.scope;
  scope->set("caller", Value::undefined("no caller: the macro was not called by {% call %}"));
  for (std::size_t i = 0; i < call.positional.size(); ++i) {
    scope->set(parameters[i].name, call.positional[i]);
  }
  std::vector<bool> given(parameters.size(), false);
  for (const auto& [name, value] : call.named) {
    std::size_t i = call.positional.size();
    while (i < parameters.size() && parameters[i].name != name) ++i;
    if (i == parameters.size() && name != "caller")
      return refuse(fmt::format("the argument '{}'", name));
    if (i < parameters.size()) given[i] = true;
    scope->set(name, value);
  }
  for (std::size_t i = call.positional.size(); i < parameters.size(); ++i) {
    if (given[i]) continue;
    const Parameter& parameter = parameters[i];
    scope->set(parameter.name, parameter.otherwise != nullptr
                                   ? TRY(evaluate(*parameter.otherwise, scope))
                                   : Value::undefined(fmt::format("parameter '{}' was not provided",
                                                                  parameter.name)));
  }
  std::string text;
  TRY(run(macro.definition->body, scope, &text));
  --depth_;
  return Value(std::move(text));
}

}  // namespace farthing::jinja
