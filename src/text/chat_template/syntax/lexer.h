// The tokens of a template, as jinja2's lexer makes them with trim_blocks and lstrip_blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/chat_template/syntax/place.h"

namespace farthing::jinja {

struct Token {
  enum class Type {
    kData,  // text between tags, ready for output
    kVariableBegin,
    kVariableEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Type type;
  Place place;
  std::string text;  // a string without quotes and escapes
  std::int64_t integer = 0;
  double real = 0;
};

// Always ends with kEnd. `source` must be valid UTF-8; `where` names the file in errors.
Result<std::vector<Token>> tokenize(std::string_view source, std::string_view where);

// An error at a place of the template.
tl::unexpected<Error> syntax_error(std::string_view where, Place place, std::string got,
                                   std::string wanted);

}  // namespace farthing::jinja
