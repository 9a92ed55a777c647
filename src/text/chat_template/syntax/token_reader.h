// A place in the tokens of a template: what both halves of the parser read from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template/syntax/lexer.h"

namespace farthing::jinja {

class TokenReader {
 public:
  TokenReader(std::vector<Token> tokens, std::string_view where)
      : tokens_(std::move(tokens)), where_(where) {}

  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token next() {
    Token token = now();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  Place place() const { return now().place; }

  bool is(Token::Type type) const { return now().type == type; }
  bool is_operator(std::string_view text) const {
    return is(Token::Type::kOperator) && now().text == text;
  }
  bool is_name(std::string_view text) const { return is(Token::Type::kName) && now().text == text; }

  bool take_operator(std::string_view text) { return is_operator(text) && (next(), true); }
  bool take_name(std::string_view text) { return is_name(text) && (next(), true); }
  Result<> expect(Token::Type type, std::string_view wanted);
  Result<> expect_operator(std::string_view text);
  Result<> expect_name(std::string_view text);
  // Any name.
  Result<std::string> name();

  // An error at the token that is next.
  tl::unexpected<Error> refuse(std::string wanted) const;
  tl::unexpected<Error> refuse(Place place, std::string got, std::string wanted) const {
    return syntax_error(where_, place, std::move(got), std::move(wanted));
  }

  // Levels of brackets and blocks; deeper than the limit is an error.
  Result<> enter();
  void leave() { --depth_; }

 private:
  std::vector<Token> tokens_;
  std::string_view where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace farthing::jinja
