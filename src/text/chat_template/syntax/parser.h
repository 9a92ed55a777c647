// The parser: tokens to a tree, by jinja2's grammar.
#pragma once

#include "base/result.h"
#include "text/chat_template/syntax/syntax.h"

namespace farthing::jinja {

// Fails, naming construct and place, on what jinja2 refuses, on statements outside the subset
// (docs/chat_templates.md), and on filters and tests outside it where no condition guards them.
Result<std::shared_ptr<const Template>> parse_template(std::string_view source,
                                                       std::string_view where);

}  // namespace farthing::jinja
