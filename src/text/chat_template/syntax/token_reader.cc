// What the parser expects of the next token, and the errors where something else stands there.
#include "text/chat_template/syntax/token_reader.h"

#include <fmt/format.h>

#include "text/chat_template/values/limits.h"

namespace farthing::jinja {
namespace {

std::string describe(const Token& token) {
  switch (token.type) {
    case Token::Type::kData:
      return "text";
    case Token::Type::kVariableBegin:
      return "{{";
    case Token::Type::kVariableEnd:
      return "}}";
    case Token::Type::kBlockBegin:
      return "{%";
    case Token::Type::kBlockEnd:
      return "%}";
    case Token::Type::kEnd:
      return "the end of the template";
    case Token::Type::kString:
      return fmt::format("the string '{}'", token.text.substr(0, 60));
    default:
      return fmt::format("'{}'", token.text.substr(0, 60));
  }
}

}  // namespace

tl::unexpected<Error> TokenReader::refuse(std::string wanted) const {
  return refuse(place(), describe(now()), std::move(wanted));
}

Result<> TokenReader::expect(Token::Type type, std::string_view wanted) {
  if (!is(type)) return refuse(std::string(wanted));
  next();
  return {};
}

Result<> TokenReader::expect_operator(std::string_view text) {
  if (!take_operator(text)) return refuse(fmt::format("'{}'", text));
  return {};
}

Result<> TokenReader::expect_name(std::string_view text) {
  if (!take_name(text)) return refuse(fmt::format("'{}'", text));
  return {};
}

Result<std::string> TokenReader::name() {
  if (!is(Token::Type::kName)) return refuse("a name");
  return next().text;
}

Result<> TokenReader::enter() {
  if (++depth_ > kDeepestSyntax) {
    return refuse(place(), fmt::format("more than {} levels of nesting", kDeepestSyntax),
                  "blocks and brackets that are nested less deeply");
  }
  return {};
}

}  // namespace farthing::jinja
