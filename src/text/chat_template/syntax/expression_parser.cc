// Expressions by precedence: or, and, not, comparisons, + -, ~, * / // %, **, signs, filters.
#include "text/chat_template/syntax/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/chat_template/builtins/builtin.h"
#include "text/chat_template/values/limits.h"

namespace farthing::jinja {
namespace {

using Type = Token::Type;
using Node = Expression::Kind;

ExpressionPtr node(Node kind, Place place) {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->place = place;
  return made;
}

template <class... Parts>
ExpressionPtr node(Node kind, Place place, Parts... parts) {
  ExpressionPtr made = node(kind, place);
  (made->parts.push_back(std::move(parts)), ...);
  return made;
}

struct NamedOperator {
  std::string_view text;
  Operator operation;
};

constexpr NamedOperator kComparisons[] = {
    {"==", Operator::kEqual},     {"!=", Operator::kNotEqual}, {"<", Operator::kLess},
    {"<=", Operator::kLessEqual}, {">", Operator::kGreater},   {">=", Operator::kGreaterEqual}};
constexpr NamedOperator kSums[] = {{"+", Operator::kAdd}, {"-", Operator::kSubtract}};
constexpr NamedOperator kProducts[] = {{"*", Operator::kMultiply},
                                       {"/", Operator::kDivide},
                                       {"//", Operator::kFloorDivide},
                                       {"%", Operator::kModulo}};
constexpr NamedOperator kPowers[] = {{"**", Operator::kPower}};

template <std::size_t n>
const Operator* taken(const NamedOperator (&list)[n], TokenReader& in) {
  for (const NamedOperator& named : list) {
    if (in.take_operator(named.text)) return &named.operation;
  }
  return nullptr;
}

ExpressionPtr binary(Place place, Operator operation, ExpressionPtr left, ExpressionPtr right) {
  ExpressionPtr made = node(Node::kBinary, place, std::move(left), std::move(right));
  made->operators = {operation};
  return made;
}

}  // namespace

Result<ExpressionPtr> ExpressionParser::expression(bool with_conditional) {
  TRY(in_.enter());
  ++conditions;  // what is inside is looked at once, from outside
  ExpressionPtr made = with_conditional ? TRY(conditional()) : TRY(disjunction());
  --conditions;
  in_.leave();
  if (conditions == 0) TRY(refuse_unknown(*made));
  return made;
}

Result<ExpressionPtr> ExpressionParser::grown(ExpressionPtr made) const {
  int deepest = 0;
  const auto see = [&](const ExpressionPtr& part) {
    if (part != nullptr) deepest = std::max(deepest, part->depth);
  };
  for (const ExpressionPtr& part : made->parts) see(part);
  for (const ExpressionPtr& part : made->arguments.positional) see(part);
  for (const auto& [name, part] : made->arguments.named) see(part);
  see(made->arguments.spread);
  see(made->arguments.spread_named);
  made->depth = deepest + 1;
  if (made->depth > kDeepestExpression) {
    return in_.refuse(made->place,
                      fmt::format("more than {} nested operations", kDeepestExpression),
                      "shorter expressions");
  }
  return made;
}

Result<> ExpressionParser::refuse_unknown(const Expression& tree) const {
  const bool has_builtin = tree.kind == Node::kFilter || tree.kind == Node::kTest;
  if (has_builtin && tree.builtin == nullptr) {
    const bool is_filter = tree.kind == Node::kFilter;
    return in_.refuse(tree.place,
                      fmt::format("the {} '{}'", is_filter ? "filter" : "test", tree.text),
                      fmt::format("one of {}", is_filter ? filter_names() : test_names()));
  }
  if (tree.kind == Node::kConditional) return {};
  for (const ExpressionPtr& part : tree.parts) {
    if (part != nullptr) TRY(refuse_unknown(*part));
  }
  for (const ExpressionPtr& part : tree.arguments.positional) TRY(refuse_unknown(*part));
  for (const auto& [name, part] : tree.arguments.named) TRY(refuse_unknown(*part));
  for (const auto* part : {&tree.arguments.spread, &tree.arguments.spread_named}) {
    if (*part != nullptr) TRY(refuse_unknown(**part));
  }
  return {};
}

Result<ExpressionPtr> ExpressionParser::conditional() {
  const Place place = in_.place();
  ExpressionPtr value = TRY(disjunction());
  while (in_.take_name("if")) {
    ExpressionPtr test = TRY(disjunction());
    ExpressionPtr otherwise;
    if (in_.take_name("else")) {
      TRY(in_.enter());
      otherwise = TRY(conditional());
      in_.leave();
    }
    value = TRY(grown(
        node(Node::kConditional, place, std::move(test), std::move(value), std::move(otherwise))));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::disjunction() {
  const Place place = in_.place();
  ExpressionPtr left = TRY(conjunction());
  while (in_.take_name("or")) {
    left = TRY(grown(node(Node::kOr, place, std::move(left), TRY(conjunction()))));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::conjunction() {
  const Place place = in_.place();
  ExpressionPtr left = TRY(negation());
  while (in_.take_name("and")) {
    left = TRY(grown(node(Node::kAnd, place, std::move(left), TRY(negation()))));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::negation() {
  const Place place = in_.place();
  if (!in_.take_name("not")) return comparison();
  TRY(in_.enter());
  ExpressionPtr made = TRY(grown(node(Node::kNot, place, TRY(negation()))));
  in_.leave();
  return made;
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  const Place place = in_.place();
  ExpressionPtr first = TRY(sum());
  ExpressionPtr made = node(Node::kCompare, place);
  while (true) {
    if (const Operator* operation = taken(kComparisons, in_)) {
      made->operators.push_back(*operation);
    } else if (in_.take_name("in")) {
      made->operators.push_back(Operator::kIn);
    } else if (in_.is_name("not") && in_.after().type == Type::kName && in_.after().text == "in") {
      in_.next();
      in_.next();
      made->operators.push_back(Operator::kNotIn);
    } else {
      break;
    }
    made->parts.push_back(TRY(sum()));
  }
  if (made->operators.empty()) return first;
  made->parts.insert(made->parts.begin(), std::move(first));
  return grown(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::sum() {
  const Place place = in_.place();
  ExpressionPtr left = TRY(concatenation());
  while (const Operator* operation = taken(kSums, in_)) {
    left = TRY(grown(binary(place, *operation, std::move(left), TRY(concatenation()))));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::concatenation() {
  const Place place = in_.place();
  ExpressionPtr first = TRY(product());
  if (!in_.is_operator("~")) return first;
  ExpressionPtr made = node(Node::kConcat, place, std::move(first));
  while (in_.take_operator("~")) made->parts.push_back(TRY(product()));
  return grown(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::product() {
  const Place place = in_.place();
  ExpressionPtr left = TRY(power());
  while (const Operator* operation = taken(kProducts, in_)) {
    left = TRY(grown(binary(place, *operation, std::move(left), TRY(power()))));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::power() {
  const Place place = in_.place();
  ExpressionPtr left = TRY(unary(true));
  while (const Operator* operation = taken(kPowers, in_)) {
    left = TRY(grown(binary(place, *operation, std::move(left), TRY(unary(true)))));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::unary(bool with_filters) {
  const Place place = in_.place();
  ExpressionPtr made;
  if (in_.is_operator("-") || in_.is_operator("+")) {
    const Node kind = in_.next().text == "-" ? Node::kNegative : Node::kPositive;
    TRY(in_.enter());
    made = TRY(grown(node(kind, place, TRY(unary(false)))));
    in_.leave();
  } else {
    made = TRY(primary());
  }
  made = TRY(postfix(std::move(made)));
  return with_filters ? filters_and_tests(std::move(made)) : std::move(made);
}

Result<ExpressionPtr> ExpressionParser::primary() {
  const Place place = in_.place();
  ExpressionPtr made = node(Node::kLiteral, place);
  if (in_.is(Type::kName)) return name_or_constant();
  if (in_.is(Type::kString)) {
    std::string text;
    while (in_.is(Type::kString)) text += in_.next().text;
    made->value = Value(std::move(text));
  } else if (in_.is(Type::kInteger)) {
    made->value = Value(in_.next().integer);
  } else if (in_.is(Type::kFloat)) {
    made->value = Value(in_.next().real);
  } else if (in_.take_operator("(")) {
    made = TRY(tuple(true, {}, true));
    TRY(in_.expect_operator(")"));
  } else if (in_.take_operator("[")) {
    return list();
  } else if (in_.take_operator("{")) {
    return dict();
  } else {
    return in_.refuse("an expression");
  }
  return made;
}

Result<ExpressionPtr> ExpressionParser::name_or_constant() {
  ExpressionPtr made = node(Node::kLiteral, in_.place());
  const Token token = in_.next();
  if (token.text == "true" || token.text == "True") {
    made->value = Value(true);
  } else if (token.text == "false" || token.text == "False") {
    made->value = Value(false);
  } else if (token.text != "none" && token.text != "None") {
    if (macros > 0 && (token.text == "varargs" || token.text == "kwargs")) {
      return in_.refuse(token.place, fmt::format("'{}' in a macro", token.text),
                        "macros with named parameters only");
    }
    made->kind = Node::kName;
    made->text = token.text;
  }
  return made;
}

Result<ExpressionPtr> ExpressionParser::list() {
  ExpressionPtr made = node(Node::kList, in_.place());
  while (!in_.is_operator("]")) {
    if (!made->parts.empty()) TRY(in_.expect_operator(","));
    if (in_.is_operator("]")) break;
    made->parts.push_back(TRY(expression()));
  }
  TRY(in_.expect_operator("]"));
  return grown(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::dict() {
  ExpressionPtr made = node(Node::kDict, in_.place());
  while (!in_.is_operator("}")) {
    if (!made->parts.empty()) TRY(in_.expect_operator(","));
    if (in_.is_operator("}")) break;
    made->parts.push_back(TRY(expression()));
    TRY(in_.expect_operator(":"));
    made->parts.push_back(TRY(expression()));
  }
  TRY(in_.expect_operator("}"));
  return grown(std::move(made));
}

bool ExpressionParser::at_tuple_end(std::string_view end_name) const {
  return in_.is(Type::kVariableEnd) || in_.is(Type::kBlockEnd) || in_.is_operator(")") ||
         (!end_name.empty() && in_.is_name(end_name));
}

Result<ExpressionPtr> ExpressionParser::tuple(bool with_conditional, std::string_view end_name,
                                              bool may_be_empty) {
  ExpressionPtr made = node(Node::kTuple, in_.place());
  bool is_tuple = false;
  while (true) {
    if (!made->parts.empty()) TRY(in_.expect_operator(","));
    if (at_tuple_end(end_name)) break;
    made->parts.push_back(TRY(expression(with_conditional)));
    if (!in_.is_operator(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return grown(std::move(made));
  if (!made->parts.empty()) return std::move(made->parts[0]);
  if (!may_be_empty) return in_.refuse("an expression");
  return made;
}

Result<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr operand) {
  while (true) {
    if (in_.is_operator(".") || in_.is_operator("[")) {
      operand = TRY(subscript(std::move(operand)));
    } else if (in_.is_operator("(")) {
      operand = TRY(call(std::move(operand)));
    } else {
      return operand;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::filters_and_tests(ExpressionPtr operand) {
  while (true) {
    if (in_.take_operator("|")) {
      operand = TRY(filter(std::move(operand)));
    } else if (in_.take_name("is")) {
      operand = TRY(test(std::move(operand)));
    } else if (in_.is_operator("(")) {
      operand = TRY(call(std::move(operand)));
    } else {
      return operand;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::subscript(ExpressionPtr operand) {
  const Place place = in_.place();
  if (in_.take_operator("[")) return bracketed(std::move(operand), place);
  TRY(in_.expect_operator("."));
  if (in_.is(Type::kInteger)) {
    ExpressionPtr index = node(Node::kLiteral, place);
    index->value = Value(in_.next().integer);
    return grown(node(Node::kItem, place, std::move(operand), std::move(index)));
  }
  ExpressionPtr made = node(Node::kAttribute, place, std::move(operand));
  made->text = TRY(in_.name());
  return grown(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::bracketed(ExpressionPtr operand, Place place) {
  ExpressionPtr bounds[3];
  int bound = 0;
  bool is_slice = false;
  while (!in_.is_operator("]")) {
    if (in_.is_operator(",")) return in_.refuse("one index or slice");
    if (in_.take_operator(":")) {
      is_slice = true;
      if (++bound > 2) return in_.refuse("at most two colons in a slice");
    } else if (bounds[bound] == nullptr) {
      bounds[bound] = TRY(expression());
    } else {
      return in_.refuse("']'");
    }
  }
  TRY(in_.expect_operator("]"));
  if (is_slice) {
    return grown(node(Node::kSlice, place, std::move(operand), std::move(bounds[0]),
                      std::move(bounds[1]), std::move(bounds[2])));
  }
  if (bounds[0] == nullptr) return in_.refuse(place, "'[]'", "an index");
  return grown(node(Node::kItem, place, std::move(operand), std::move(bounds[0])));
}

Result<Arguments> ExpressionParser::arguments() {
  Arguments made;
  TRY(in_.expect_operator("("));
  bool first = true;
  while (!in_.is_operator(")")) {
    if (!first) TRY(in_.expect_operator(","));
    if (!first && in_.is_operator(")")) break;
    first = false;
    if (made.spread_named != nullptr) return in_.refuse("')': nothing follows **members");
    if (in_.is_operator("*")) {
      if (made.spread != nullptr) return in_.refuse("one list of *elements");
      in_.next();
      made.spread = TRY(expression());
    } else if (in_.take_operator("**")) {
      made.spread_named = TRY(expression());
    } else if (in_.is(Type::kName) && in_.after().type == Type::kOperator &&
               in_.after().text == "=") {
      std::string name = in_.next().text;
      for (const auto& [other, unused] : made.named) {
        if (other == name) return in_.refuse("each keyword argument once");
      }
      in_.next();
      made.named.emplace_back(std::move(name), TRY(expression()));
    } else if (made.named.empty() && made.spread == nullptr) {
      made.positional.push_back(TRY(expression()));
    } else {
      return in_.refuse("a keyword argument behind another");
    }
  }
  TRY(in_.expect_operator(")"));
  return made;
}

Result<ExpressionPtr> ExpressionParser::call(ExpressionPtr operand) {
  ExpressionPtr made = node(Node::kCall, in_.place(), std::move(operand));
  made->arguments = TRY(arguments());
  return grown(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::filter(ExpressionPtr operand) {
  ExpressionPtr made = node(Node::kFilter, in_.place(), std::move(operand));
  made->text = TRY(in_.name());
  made->builtin = find_filter(made->text);
  if (in_.is_operator("(")) made->arguments = TRY(arguments());
  return grown(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::filters_of_block() {
  ExpressionPtr made = TRY(filter(nullptr));
  while (in_.take_operator("|")) made = TRY(filter(std::move(made)));
  if (conditions == 0) TRY(refuse_unknown(*made));
  return made;
}

Result<ExpressionPtr> ExpressionParser::test(ExpressionPtr operand) {
  const Place place = in_.place();
  const bool negated = in_.take_name("not");
  ExpressionPtr made = node(Node::kTest, place, std::move(operand));
  made->text = TRY(in_.name());
  made->builtin = find_test(made->text);
  const bool argument_follows =
      in_.is(Type::kString) || in_.is(Type::kInteger) || in_.is(Type::kFloat) ||
      in_.is_operator("[") || in_.is_operator("{") ||
      (in_.is(Type::kName) && !in_.is_name("else") && !in_.is_name("or") && !in_.is_name("and"));
  if (in_.is_operator("(")) {
    made->arguments = TRY(arguments());
  } else if (in_.is_name("is")) {
    return in_.refuse("one test; tests cannot be chained");
  } else if (argument_follows) {
    made->arguments.positional.push_back(TRY(postfix(TRY(primary()))));
  }
  made = TRY(grown(std::move(made)));
  return negated ? grown(node(Node::kNot, place, std::move(made))) : std::move(made);
}

}  // namespace farthing::jinja
