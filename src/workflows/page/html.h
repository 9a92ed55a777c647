// What the HTML pages of reports are put together with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace farthing {

// Text as HTML, in elements and in quoted attributes. Names come from outside: anything may stand
// in them.
std::string escaped(std::string_view text);
// JSON for a <script> element: `<` stands only in strings, so no text can end the element.
std::string json_for_script(const std::string& json);

std::string list_html(const std::vector<std::string>& items);  // nothing where there are none
std::string notes_html(const std::vector<std::string>& notes);
std::string tile_html(std::string_view value, std::string_view text);
// A list of terms and what they are.
std::string facts_html(const std::vector<std::pair<std::string, std::string>>& facts);

// The last part of a path: "models/stories260k/" is stories260k.
std::string file_name(const std::string& path);

// The template with every {{name}} replaced; what is put in is not searched again.
std::string filled_page(std::string_view page,
                        const std::vector<std::pair<std::string_view, std::string>>& parts);

}  // namespace farthing
