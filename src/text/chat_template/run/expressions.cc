// How expressions are evaluated.
#include <fmt/format.h>

#include "text/chat_template/builtins/call.h"
#include "text/chat_template/run/interpreter.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/print.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {

using Node = Expression::Kind;

Result<> Interpreter::enter() {
  TRY(budget_.spend(1));
  if (++depth_ > kDeepestEvaluation) {
    return refused("the chat template calls itself without end, or is nested too deeply",
                   fmt::format("more than {} evaluations inside each other", kDeepestEvaluation),
                   "macros that come to an end");
  }
  return {};
}

Result<Value> Interpreter::checked(Value value) const {
  if (value.depth() > kDeepestValue) {
    return refused("the chat template nests lists or dictionaries too deeply",
                   fmt::format("{} levels", value.depth()),
                   fmt::format("at most {}", kDeepestValue));
  }
  return value;
}

Result<Value> Interpreter::evaluate(const Expression& expression, const ScopePtr& scope,
                                    const Value* operand) {
  if (expression.kind == Node::kLiteral) {
    TRY(budget_.spend(1));
    return expression.value;
  }
  Result<Value> value;
  if (Result<> entered = enter(); !entered) {
    value = fail(std::move(entered.error()));
  } else {
    value = evaluate_kind(expression, scope, operand);
  }
  --depth_;
  if (!value && value.error().where.empty()) {
    value.error().where = fmt::format("{}, {}", template_.where, expression.place.text());
  }
  return value;
}

Result<Value> Interpreter::evaluate_kind(const Expression& expression, const ScopePtr& scope,
                                         const Value* operand) {
  const auto part = [&](std::size_t i) { return evaluate(*expression.parts[i], scope); };
  switch (expression.kind) {
    case Node::kLiteral:
      return expression.value;
    case Node::kName:
      return name(expression, scope);
    case Node::kList:
    case Node::kTuple:
      return sequence(expression, scope);
    case Node::kDict:
      return dict(expression, scope);
    case Node::kAttribute:
      return attribute(TRY(part(0)), expression.text);
    case Node::kItem: {
      const Value container = TRY(part(0));
      return item(container, TRY(part(1)));
    }
    case Node::kSlice:
      return sliced(expression, scope);
    case Node::kCall:
      return call(expression, scope, nullptr);
    case Node::kFilter:
    case Node::kTest:
      return filter_or_test(expression, scope, operand);
    case Node::kNot:
      return Value(!is_true(TRY(part(0))));
    case Node::kNegative:
      return negative(TRY(part(0)));
    case Node::kPositive:
      return arithmetic(Operator::kAdd, Value(0), TRY(part(0)), &budget_);
    case Node::kBinary: {
      const Value left = TRY(part(0));
      return arithmetic(expression.operators[0], left, TRY(part(1)), &budget_);
    }
    case Node::kCompare:
      return comparison(expression, scope);
    case Node::kConcat:
      return concat(expression, scope);
    case Node::kAnd: {
      Value left = TRY(part(0));
      return is_true(left) ? part(1) : std::move(left);
    }
    case Node::kOr: {
      Value left = TRY(part(0));
      return is_true(left) ? std::move(left) : part(1);
    }
    case Node::kConditional:
      return conditional(expression, scope);
  }
  return Value();
}

Result<Value> Interpreter::name(const Expression& expression, const ScopePtr& scope) {
  if (const Value* found = scope->find(expression.text)) return *found;
  if (const Builtin* function = find_function(expression.text)) {
    const auto object = std::make_shared<Function>();
    object->builtin = function;
    return Value(std::shared_ptr<Object>(object));
  }
  for (const char* missing : {"cycler", "joiner", "lipsum", "self", "super"}) {
    if (expression.text != missing) continue;
    return refused("the chat template uses a function that is not supported", expression.text,
                   "range, dict, namespace, raise_exception or strftime_now");
  }
  return Value::undefined(fmt::format("'{}' is undefined", expression.text));
}

Result<Value> Interpreter::sequence(const Expression& expression, const ScopePtr& scope) {
  List items;
  items.reserve(expression.parts.size());
  for (const ExpressionPtr& part : expression.parts) items.push_back(TRY(evaluate(*part, scope)));
  return checked(expression.kind == Node::kList ? Value(std::move(items))
                                                : Value::tuple(std::move(items)));
}

Result<Value> Interpreter::dict(const Expression& expression, const ScopePtr& scope) {
  Map map;
  for (std::size_t i = 0; i < expression.parts.size(); i += 2) {
    const Value key = TRY(evaluate(*expression.parts[i], scope));
    if (!Map::can_be_key(key)) {
      return refused("the chat template uses a key that is not supported",
                     fmt::format("a {}", key.type_name()), "a text, a number or none");
    }
    map.set(key, TRY(evaluate(*expression.parts[i + 1], scope)));
  }
  return checked(Value(std::move(map)));
}

Result<Value> Interpreter::sliced(const Expression& expression, const ScopePtr& scope) {
  const Value container = TRY(evaluate(*expression.parts[0], scope));
  Value bounds[3];
  const Value* given[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (expression.parts[i + 1] == nullptr) continue;
    bounds[i] = TRY(evaluate(*expression.parts[i + 1], scope));
    given[i] = &bounds[i];
  }
  return slice(container, given[0], given[1], given[2], &budget_);
}

Result<Value> Interpreter::concat(const Expression& expression, const ScopePtr& scope) {
  std::string out;
  for (const ExpressionPtr& part : expression.parts) {
    out += TRY(text(TRY(evaluate(*part, scope))));
    TRY(budget_.spend_bytes(out.size()));
  }
  return Value(std::move(out));
}

Result<bool> Interpreter::compare(Operator operation, const Value& a, const Value& b) {
  switch (operation) {
    case Operator::kEqual:
      return equal(a, b, &budget_);
    case Operator::kNotEqual:
      return !TRY(equal(a, b, &budget_));
    case Operator::kIn:
      return contains(b, a);
    case Operator::kNotIn:
      return !TRY(contains(b, a));
    case Operator::kLess:
      return TRY(order(a, b, &budget_)) < 0;
    case Operator::kLessEqual:
      return TRY(order(a, b, &budget_)) <= 0;
    case Operator::kGreater:
      return TRY(order(a, b, &budget_)) > 0;
    default:
      return TRY(order(a, b, &budget_)) >= 0;
  }
}

Result<Value> Interpreter::comparison(const Expression& expression, const ScopePtr& scope) {
  Value left = TRY(evaluate(*expression.parts[0], scope));
  for (std::size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = TRY(evaluate(*expression.parts[i + 1], scope));
    if (!TRY(compare(expression.operators[i], left, right))) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Interpreter::conditional(const Expression& expression, const ScopePtr& scope) {
  if (is_true(TRY(evaluate(*expression.parts[0], scope)))) {
    return evaluate(*expression.parts[1], scope);
  }
  if (expression.parts[2] != nullptr) return evaluate(*expression.parts[2], scope);
  return Value::undefined("the inline if-expression evaluated to false and has no else");
}

Result<> Interpreter::arguments(const Arguments& arguments, const ScopePtr& scope, Call* call) {
  for (const ExpressionPtr& argument : arguments.positional) {
    call->positional.push_back(TRY(evaluate(*argument, scope)));
  }
  if (arguments.spread != nullptr) {
    for (Value& element : TRY(elements(TRY(evaluate(*arguments.spread, scope)))))
      call->positional.push_back(std::move(element));
  }
  for (const auto& [name, argument] : arguments.named) {
    call->named.emplace_back(name, TRY(evaluate(*argument, scope)));
  }
  if (arguments.spread_named == nullptr) return {};
  const Value members = TRY(evaluate(*arguments.spread_named, scope));
  if (!members.is(Kind::kMap)) {
    return refused("the chat template calls with ** what is no dictionary",
                   fmt::format("a {}", members.type_name()), "a dictionary");
  }
  TRY(budget_.spend_new_texts(members.map().size()));
  for (const auto& [key, value] : members.map().members()) {
    const bool is_text = key.is(Kind::kString);
    bool is_first = is_text;
    for (const auto& [name, unused] : arguments.named) is_first &= name != key.text();
    if (!is_first) {
      return refused("the chat template calls with ** wrongly",
                     is_text ? fmt::format("the argument '{}' twice", key.text())
                             : fmt::format("a {} as a name", key.type_name()),
                     "names that are texts, each once");
    }
    call->named.emplace_back(key.text(), value);
  }
  return {};
}

Result<Value> Interpreter::call(const Expression& expression, const ScopePtr& scope,
                                const Value* caller) {
  const Value callee = TRY(evaluate(*expression.parts[0], scope));
  Call call(*this, Value());
  TRY(arguments(expression.arguments, scope, &call));
  if (caller != nullptr) call.named.emplace_back("caller", *caller);
  return invoke(callee, call);
}

Result<Value> Interpreter::invoke(const Value& callee, Call& call) {
  if (callee.is(Kind::kUndefined)) return undefined_error(callee);
  if (callee.is(Kind::kObject)) {
    if (const auto* macro = dynamic_cast<const Macro*>(&callee.object())) {
      return call_macro(*macro, call);
    }
    if (const auto* function = dynamic_cast<const Function*>(&callee.object())) {
      call.self = function->self;
      return run_builtin(*function->builtin, call);
    }
  }
  return refused("the chat template calls what cannot be called",
                 fmt::format("a {}", callee.type_name()), "a macro, a method or a function");
}

Result<Value> Interpreter::run_builtin(const Builtin& builtin, Call& call) {
  TRY(budget_.spend(1));
  if (call.self.is(Kind::kString)) TRY(budget_.spend_bytes(call.self.text().size()));
  if (call.self.is(Kind::kSequence)) TRY(budget_.spend_items(call.self.items().size()));
  if (call.self.is(Kind::kMap)) TRY(budget_.spend_items(call.self.map().size()));
  TRY(call.bind(builtin));
  Value result = TRY(builtin.run(call));
  if (result.is(Kind::kString)) TRY(budget_.spend_bytes(result.text().size()));
  if (result.is(Kind::kSequence)) TRY(budget_.spend_items(result.items().size()));
  if (result.is(Kind::kMap)) TRY(budget_.spend_items(result.map().size()));
  return checked(std::move(result));
}

Result<Value> Interpreter::filter_or_test(const Expression& expression, const ScopePtr& scope,
                                          const Value* operand) {
  const bool is_filter = expression.kind == Node::kFilter;
  if (expression.builtin == nullptr) {
    return refused(fmt::format("the chat template uses a {} that is not supported",
                               is_filter ? "filter" : "test"),
                   expression.text,
                   fmt::format("one of {}", is_filter ? filter_names() : test_names()));
  }
  // The operand of a block's innermost filter is the block's text.
  Call call(*this, expression.parts[0] == nullptr
                       ? *operand
                       : TRY(evaluate(*expression.parts[0], scope, operand)));
  TRY(arguments(expression.arguments, scope, &call));
  return run_builtin(*expression.builtin, call);
}

}  // namespace farthing::jinja
