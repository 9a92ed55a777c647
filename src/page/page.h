// Pages: reports as one HTML file that fetches nothing. A skeleton with style, scripts and Chart.js
// inlined, and the parts of HTML that reports are made of.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace farthing {

// What is a page's own; texts are escaped here, `main` is HTML.
struct Page {
  std::string name;                    // of what it is about: the heading
  std::string kind;                    // "quantization report"
  std::vector<std::string> lead = {};  // lines below the heading
  std::string main = {};
  std::string footer = {};
  std::string data = {};               // JSON: `page.data` of the script
  std::string_view css = {}, js = {};  // beside those of every page
};
std::string page_html(const Page& page);

// A template with every {{name}} replaced; what is put in is not searched again. CHECKs that every
// name has a part.
std::string filled(std::string_view page,
                   const std::vector<std::pair<std::string_view, std::string>>& parts);

// Of texts. The empty string where there is none.
std::string notes_html(const std::vector<std::string>& notes);
std::string list_html(const std::vector<std::string>& items);
using TextPairs = std::vector<std::pair<std::string, std::string>>;
std::string tiles_html(const TextPairs& tiles);  // a figure and what it is
std::string facts_html(const TextPairs& facts);  // a name and its value

// "farthing 0.1.0", and now in UTC, ISO 8601: who wrote a page, and when.
std::string program_name();
std::string date_now();
// The last part of a path: "models/stories260k/" is stories260k.
std::string file_name(const std::string& path);

}  // namespace farthing
