// The half of the parser that reads expressions and the targets of assignments.
#pragma once

#include "text/chat_template/syntax/syntax.h"
#include "text/chat_template/syntax/token_reader.h"

namespace farthing::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenReader* tokens) : in_(*tokens) {}

  Result<ExpressionPtr> expression(bool with_conditional = true);
  // An expression, or several with commas between: a tuple. `end_name` ends it too.
  Result<ExpressionPtr> tuple(bool with_conditional = true, std::string_view end_name = {},
                              bool may_be_empty = false);
  // The filters of a block, `name(...) | name(...)`; the first one's operand is null.
  Result<ExpressionPtr> filters_of_block();
  Result<Target> target(std::string_view end_name, bool with_attribute);
  Result<Target> name_target();

  // Unknown filters and tests are left for the rendering to refuse while this is above 0: jinja2
  // refuses what no `if` guards when it compiles, the rest when it is reached.
  int conditions = 0;
  // Macros have no names varargs and kwargs here; above 0 they are refused.
  int macros = 0;

 private:
  Result<ExpressionPtr> conditional();
  Result<ExpressionPtr> disjunction();
  Result<ExpressionPtr> conjunction();
  Result<ExpressionPtr> negation();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> sum();
  Result<ExpressionPtr> concatenation();
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> power();
  Result<ExpressionPtr> unary(bool with_filters);
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> name_or_constant();
  Result<ExpressionPtr> list();
  Result<ExpressionPtr> dict();
  Result<ExpressionPtr> postfix(ExpressionPtr operand);
  Result<ExpressionPtr> filters_and_tests(ExpressionPtr operand);
  Result<ExpressionPtr> subscript(ExpressionPtr operand);
  Result<ExpressionPtr> bracketed(ExpressionPtr operand, Place place);
  Result<ExpressionPtr> call(ExpressionPtr operand);
  Result<ExpressionPtr> filter(ExpressionPtr operand);
  Result<ExpressionPtr> test(ExpressionPtr operand);
  Result<Arguments> arguments();
  Result<Target> one_target(bool with_attribute);
  // A finished node, unless it makes the tree too deep.
  Result<ExpressionPtr> grown(ExpressionPtr made) const;
  Result<> refuse_unknown(const Expression& tree) const;
  bool at_tuple_end(std::string_view end_name) const;

  TokenReader& in_;
};

}  // namespace farthing::jinja
