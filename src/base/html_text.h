// Text as it stands in HTML.
#pragma once

#include <string>
#include <string_view>

namespace farthing {

// & < > " ' as references (quotes by number, as Python's markupsafe writes them).
std::string html_text(std::string_view text);

}  // namespace farthing
