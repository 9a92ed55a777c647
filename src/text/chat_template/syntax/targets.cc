// The targets of assignments and loops.
#include <fmt/format.h>

#include "text/chat_template/syntax/expression_parser.h"

namespace farthing::jinja {

using Type = Token::Type;

Result<Target> ExpressionParser::name_target() {
  Target made;
  made.place = in_.place();
  made.name = TRY(in_.name());
  for (const char* constant : {"true", "false", "none", "True", "False", "None"}) {
    if (made.name == constant) {
      return in_.refuse(made.place, fmt::format("an assignment to '{}'", made.name),
                        "a name of your own");
    }
  }
  return made;
}

Result<Target> ExpressionParser::one_target(bool with_attribute) {
  if (in_.take_operator("(")) {
    TRY(in_.enter());
    Target made = TRY(target({}, with_attribute));
    in_.leave();
    TRY(in_.expect_operator(")"));
    return made;
  }
  Target made = TRY(name_target());
  if (with_attribute && in_.take_operator(".")) made.attribute = TRY(in_.name());
  return made;
}

Result<Target> ExpressionParser::target(std::string_view end_name, bool with_attribute) {
  Target made;
  made.place = in_.place();
  while (true) {
    if (!made.parts.empty()) TRY(in_.expect_operator(","));
    if (at_tuple_end(end_name) || in_.is_operator("=")) break;
    made.parts.push_back(TRY(one_target(with_attribute)));
    if (!in_.is_operator(",")) break;
    made.is_tuple = true;
  }
  if (made.parts.empty()) return in_.refuse("a name to assign to");
  if (made.is_tuple) return made;
  Target single = std::move(made.parts[0]);
  return single;
}

}  // namespace farthing::jinja
