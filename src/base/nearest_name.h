// The name that was probably meant, for error messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace farthing {

// The candidate that is nearest to `given` by edits of one letter; empty where none is near.
std::string nearest_name(std::string_view given, std::span<const std::string> candidates);

}  // namespace farthing
