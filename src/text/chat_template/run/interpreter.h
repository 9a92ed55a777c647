// The interpreter: one rendering of a template.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/chat_template/run/objects.h"
#include "text/chat_template/syntax/syntax.h"
#include "text/chat_template/values/limits.h"
#include "text/chat_template/values/value.h"

namespace farthing {
struct ChatTime;  // text/chat_template.h
}

namespace farthing::jinja {

class Call;

// Runs one template once. Everything that can go on without end spends from the budget.
class Interpreter {
 public:
  // `now`: what strftime_now tells; null where the caller gave none. Both must outlive it.
  Interpreter(const Template& tree, const ChatTime* now) : template_(tree), now_(now) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Result<std::string> render(std::vector<std::pair<std::string, Value>> variables);

  // The bytes of each {% generation %} block in the rendering.
  const std::vector<std::pair<std::size_t, std::size_t>>& generated() const { return generated_; }
  // A {% generation %} whose text did not go to the rendering directly, if there was one.
  std::optional<Place> hidden_generation() const { return hidden_generation_; }

  // What the built-in functions need:

  Budget& budget() { return budget_; }
  const ChatTime* now() const { return now_; }
  Result<std::string> text(const Value& value);
  // The elements of what Python can iterate over; an iterator is used up.
  Result<List> elements(const Value& value);
  Result<Value> attribute(const Value& value, const std::string& name);
  Result<Value> item(const Value& value, const Value& key);
  Result<bool> contains(const Value& container, const Value& element);
  // Calls a filter or a test, a function, a method or a macro.
  Result<Value> run_builtin(const Builtin& builtin, Call& call);
  Result<Value> invoke(const Value& callee, Call& call);
  Value new_namespace(Map members);
  // Fails where a container is nested too deeply.
  Result<Value> checked(Value value) const;

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Statements (statements.cc).
  Result<Flow> run(const Body& body, const ScopePtr& scope, std::string* out);
  Result<Flow> run(const Statement& statement, const ScopePtr& scope, std::string* out);
  Result<Flow> run_kind(const Statement& statement, const ScopePtr& scope, std::string* out);
  Result<Flow> run_for(const Statement& statement, const ScopePtr& scope, std::string* out);
  Result<Flow> run_set_block(const Statement& statement, const ScopePtr& scope);
  Result<> run_call(const Statement& statement, const ScopePtr& scope, std::string* out);
  Result<Flow> run_filter(const Statement& statement, const ScopePtr& scope, std::string* out);
  Result<> run_generation(const Statement& statement, const ScopePtr& scope, std::string* out);
  // The body's text into `text`; a loop that the body leaves is left without it.
  Result<Flow> body_text(const Body& body, const ScopePtr& scope, std::string* text);
  Result<> assign(const Target& target, const Value& value, const ScopePtr& scope);
  Result<> assign_attribute(const Target& target, const Value& value, const ScopePtr& scope);
  Result<> write(std::string_view text, std::string* out);
  Value new_macro(const Statement& statement, std::string name, const ScopePtr& scope);
  Result<Value> call_macro(const Macro& macro, Call& call);

  // Expressions (expressions.cc). `operand` is what a filter block filters.
  Result<Value> evaluate(const Expression& expression, const ScopePtr& scope,
                         const Value* operand = nullptr);
  Result<Value> evaluate_kind(const Expression& expression, const ScopePtr& scope,
                              const Value* operand);
  Result<Value> name(const Expression& expression, const ScopePtr& scope);
  Result<Value> sequence(const Expression& expression, const ScopePtr& scope);
  Result<Value> dict(const Expression& expression, const ScopePtr& scope);
  Result<Value> sliced(const Expression& expression, const ScopePtr& scope);
  Result<Value> concat(const Expression& expression, const ScopePtr& scope);
  Result<Value> comparison(const Expression& expression, const ScopePtr& scope);
  Result<bool> compare(Operator operation, const Value& a, const Value& b);
  Result<Value> conditional(const Expression& expression, const ScopePtr& scope);
  Result<Value> call(const Expression& expression, const ScopePtr& scope, const Value* caller);
  Result<Value> filter_or_test(const Expression& expression, const ScopePtr& scope,
                               const Value* operand);
  Result<> arguments(const Arguments& arguments, const ScopePtr& scope, Call* call);
  Result<> enter();

  // Attributes (attributes.cc).
  Result<Value> loop_attribute(Loop& loop, const std::string& name);

  const Template& template_;
  const ChatTime* now_;
  Budget budget_;
  int depth_ = 0;
  const std::string* rendering_ = nullptr;
  std::vector<std::pair<std::size_t, std::size_t>> generated_;
  std::optional<Place> hidden_generation_;
  // What may refer to itself, to be taken apart in the end.
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<ScopePtr> captured_scopes_;
};

}  // namespace farthing::jinja
