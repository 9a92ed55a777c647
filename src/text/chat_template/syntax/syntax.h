// A template as a tree: expressions and statements. Immutable once it is parsed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/chat_template/syntax/place.h"
#include "text/chat_template/values/value.h"

namespace farthing::jinja {

struct Builtin;  // builtins/builtin.h
struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Arguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr spread, spread_named;  // of *elements and of **members; null where there is none
};

enum class Operator {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expression {
  enum class Kind {
    kLiteral,      // value
    kName,         // text
    kList,         // parts
    kTuple,        // parts
    kDict,         // parts: key, value, key, value, ...
    kAttribute,    // parts[0] . text
    kItem,         // parts[0] [ parts[1] ]
    kSlice,        // parts[0] [ parts[1] : parts[2] : parts[3] ], null where left out
    kCall,         // parts[0] ( arguments )
    kFilter,       // parts[0] | text ( arguments ); parts[0] is null in a filter block
    kTest,         // parts[0] is text ( arguments )
    kNot,          // parts[0]
    kNegative,     // parts[0]
    kPositive,     // parts[0]
    kBinary,       // parts[0] operators[0] parts[1]
    kCompare,      // parts[0] operators[0] parts[1] operators[1] parts[2] ...
    kConcat,       // parts, joined as texts
    kAnd,          // parts[0], parts[1]
    kOr,           // parts[0], parts[1]
    kConditional,  // parts[1] if parts[0] else parts[2], which may be null
  };
  Kind kind;
  Place place;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> parts;
  std::vector<Operator> operators;
  Arguments arguments;
  int depth = 1;                     // of the tree below it
  const Builtin* builtin = nullptr;  // the filter or test; null where there is none of that name
};

// What is assigned to: a name, an attribute of a namespace, or several targets.
struct Target {
  Place place = {};
  std::string name;
  std::string attribute;      // not empty: name.attribute
  std::vector<Target> parts;  // of a tuple
  bool is_tuple = false;
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  // the default, or null
};

struct Statement;
using Body = std::vector<Statement>;

struct Statement {
  enum class Kind {
    kData,        // text
    kPrint,       // expression
    kIf,          // expression, body, otherwise
    kFor,         // target in expression if condition: body, else otherwise
    kSet,         // target = expression
    kSetBlock,    // target = body, through the filters of expression if there is one
    kMacro,       // text ( parameters ): body
    kCall,        // the call of expression, with body ( parameters ) as its caller
    kFilter,      // body through the filters of expression
    kGeneration,  // body, the assistant's own text
    kBreak,
    kContinue,
  };
  Kind kind;
  Place place;
  std::string text = {};
  ExpressionPtr expression = nullptr;
  ExpressionPtr condition = nullptr;
  Target target = {};
  std::vector<Parameter> parameters = {};
  Body body = {};
  Body otherwise = {};
};

struct Template {
  std::string where;
  Body body;
  bool has_generation = false;
};

}  // namespace farthing::jinja
