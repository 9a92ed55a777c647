// Escapes in a template's string literals.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace farthing::jinja {

// What Python's codec unicode-escape makes of what stands between the quotes; an unknown escape
// stays as it is. Nothing where an escape is incomplete, names no character, or is \N{...}.
std::optional<std::string> unescape_literal(std::string_view text);

}  // namespace farthing::jinja
