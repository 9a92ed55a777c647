// Statements: what stands between {% and %}.
#include "text/chat_template/syntax/parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/chat_template/syntax/expression_parser.h"
#include "text/chat_template/values/limits.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

using Type = Token::Type;
using Tag = Statement::Kind;
using Names = std::vector<std::string_view>;

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string_view where)
      : in_(std::move(tokens), where), expressions_(&in_) {}

  Result<Body> whole() {
    Body body = TRY(statements({}));
    if (!in_.is(Type::kEnd)) return in_.refuse("the end of the template");
    return body;
  }
  bool has_generation = false;

 private:
  // Up to a tag whose name is one of `ends`, which is left for the caller to read; without any,
  // to the end of the template.
  Result<Body> statements(const Names& ends) {
    TRY(in_.enter());
    Body body;
    while (!in_.is(Type::kEnd)) {
      const Place place = in_.place();
      if (in_.is(Type::kData)) {
        body.push_back({.kind = Tag::kData, .place = place, .text = in_.next().text});
      } else if (in_.is(Type::kVariableBegin)) {
        in_.next();
        body.push_back({.kind = Tag::kPrint, .place = place});
        body.back().expression = TRY(expressions_.tuple());
        TRY(in_.expect(Type::kVariableEnd, "}}"));
      } else {
        TRY(in_.expect(Type::kBlockBegin, "text or a tag"));
        const bool is_end = std::any_of(ends.begin(), ends.end(),
                                        [&](std::string_view end) { return in_.is_name(end); });
        if (is_end) {
          in_.leave();
          return body;
        }
        body.push_back(TRY(statement()));
        TRY(in_.expect(Type::kBlockEnd, "%}"));
      }
    }
    if (!ends.empty()) return in_.refuse(fmt::format("{{% {} %}}", fmt::join(ends, " or ")));
    in_.leave();
    return body;
  }

  // The body of the tag that is being read: its end, and what follows up to one of `ends`.
  Result<Body> body(const Names& ends) {
    in_.take_operator(":");
    TRY(in_.expect(Type::kBlockEnd, "%}"));
    return statements(ends);
  }
  // The same with one end, which is read too.
  Result<Body> body_to(std::string_view end) {
    Body made = TRY(body({end}));
    in_.next();
    return made;
  }
  // A body that jinja2 makes a function of its own: no loop around it can be left from inside.
  Result<Body> function_body(std::string_view end) {
    const int loops = std::exchange(loops_, 0),
              conditions = std::exchange(expressions_.conditions, 0);
    Body made = TRY(body_to(end));
    loops_ = loops;
    expressions_.conditions = conditions;
    return made;
  }

  Result<Statement> statement() {
    const Place place = in_.place();
    const std::string tag = TRY(in_.name());
    if (tag == "if") return if_statement(place);
    if (tag == "for") return for_statement(place);
    if (tag == "set") return set_statement(place);
    if (tag == "macro") return macro_statement(place);
    if (tag == "call") return call_statement(place);
    if (tag == "filter") {
      Statement made{.kind = Tag::kFilter, .place = place};
      made.expression = TRY(expressions_.filters_of_block());
      made.body = TRY(body_to("endfilter"));
      return made;
    }
    if (tag == "generation") {
      has_generation = true;
      Statement made{.kind = Tag::kGeneration, .place = place};
      made.body = TRY(function_body("endgeneration"));
      return made;
    }
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0)
        return in_.refuse(place, fmt::format("{{% {} %}} outside a loop", tag), "a loop around it");
      return Statement{.kind = tag == "break" ? Tag::kBreak : Tag::kContinue, .place = place};
    }
    return in_.refuse(place, fmt::format("{{% {} %}}", tag),
                      "if, for, set, macro, call, filter, generation, break, continue or raw");
  }

  Result<Statement> if_statement(Place place) {
    Statement made{.kind = Tag::kIf, .place = place};
    ++expressions_.conditions;
    made.expression = TRY(expressions_.tuple(false));
    made.body = TRY(body({"elif", "else", "endif"}));
    const Place branch = in_.place();
    if (in_.take_name("elif")) {
      TRY(in_.enter());
      made.otherwise.push_back(TRY(if_statement(branch)));
      in_.leave();
    } else if (in_.take_name("else")) {
      made.otherwise = TRY(body_to("endif"));
    } else {
      in_.next();
    }
    --expressions_.conditions;
    return made;
  }

  Result<Statement> for_statement(Place place) {
    Statement made{.kind = Tag::kFor, .place = place};
    made.target = TRY(expressions_.target("in", false));
    TRY(in_.expect_name("in"));
    made.expression = TRY(expressions_.tuple(false, "recursive"));
    if (in_.take_name("if")) made.condition = TRY(expressions_.expression());
    if (in_.is_name("recursive")) return in_.refuse("a loop that is not recursive");
    ++loops_;
    made.body = TRY(body({"endfor", "else"}));
    --loops_;
    if (in_.take_name("else")) {
      made.otherwise = TRY(body_to("endfor"));
    } else {
      in_.next();
    }
    return made;
  }

  Result<Statement> set_statement(Place place) {
    Statement made{.kind = Tag::kSet, .place = place};
    made.target = TRY(expressions_.target({}, true));
    if (in_.take_operator("=")) {
      made.expression = TRY(expressions_.tuple());
      return made;
    }
    made.kind = Tag::kSetBlock;
    if (in_.take_operator("|")) made.expression = TRY(expressions_.filters_of_block());
    made.body = TRY(body_to("endset"));
    return made;
  }

  Result<> parameters(Statement* made) {
    TRY(in_.expect_operator("("));
    while (!in_.is_operator(")")) {
      if (!made->parameters.empty()) TRY(in_.expect_operator(","));
      Parameter parameter;
      parameter.name = TRY(expressions_.name_target()).name;
      for (const Parameter& other : made->parameters) {
        if (other.name == parameter.name) return in_.refuse("each parameter once");
      }
      if (in_.take_operator("=")) {
        parameter.otherwise = TRY(expressions_.expression());
      } else if (!made->parameters.empty() && made->parameters.back().otherwise != nullptr) {
        return in_.refuse("a default, as the parameter before it has one");
      }
      made->parameters.push_back(std::move(parameter));
    }
    return in_.expect_operator(")");
  }

  Result<Statement> macro_statement(Place place) {
    Statement made{.kind = Tag::kMacro, .place = place};
    made.text = TRY(expressions_.name_target()).name;
    ++expressions_.macros;
    TRY(parameters(&made));
    made.body = TRY(function_body("endmacro"));
    --expressions_.macros;
    return made;
  }

  Result<Statement> call_statement(Place place) {
    Statement made{.kind = Tag::kCall, .place = place};
    ++expressions_.macros;
    if (in_.is_operator("(")) TRY(parameters(&made));
    made.expression = TRY(expressions_.expression());
    if (made.expression->kind != Expression::Kind::kCall) {
      return in_.refuse(place, "{% call %} of something else", "the call of a macro");
    }
    made.body = TRY(function_body("endcall"));
    --expressions_.macros;
    return made;
  }

  TokenReader in_;
  ExpressionParser expressions_;
  int loops_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Template>> parse_template(std::string_view source,
                                                       std::string_view where) {
  if (source.size() > kMostSourceBytes || !is_valid_utf8(source)) {
    return fail({.what = "the chat template cannot be read",
                 .where = std::string(where),
                 .got = source.size() > kMostSourceBytes ? fmt::format("{} bytes", source.size())
                                                         : "bytes that are not UTF-8",
                 .wanted = fmt::format("UTF-8 of at most {} bytes", kMostSourceBytes),
                 .remedy = "download the file again"});
  }
  Parser parser(TRY(tokenize(source, where)), where);
  auto made = std::make_shared<Template>();
  made->where = where;
  made->body = TRY(parser.whole());
  made->has_generation = parser.has_generation;
  return made;
}

}  // namespace farthing::jinja
