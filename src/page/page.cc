// Filling templates, and escaping.
#include "page/page.h"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>

#include "base/check.h"
#include "base/html_text.h"

namespace farthing {

// Built into the program by farthing_embed in src/CMakeLists.txt.
namespace embedded {
extern const std::string_view page_html, page_css, page_js;
extern const std::string_view chart_js;  // Chart.js 3.9, MIT licence, from Debian's libjs-chart.js
}  // namespace embedded

namespace {

// JSON for a <script> element: `<` stands only in strings, so no text can end the element.
std::string json_for_script(const std::string& json) {
  std::string out;
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string filled(std::string_view page,
                   const std::vector<std::pair<std::string_view, std::string>>& parts) {
  std::string out;
  for (;;) {
    const size_t begin = page.find("{{");
    if (begin == std::string_view::npos) return out + std::string(page);
    const size_t end = page.find("}}", begin);
    CHECK(end != std::string_view::npos);
    const std::string_view name = page.substr(begin + 2, end - begin - 2);
    out += page.substr(0, begin);
    bool found = false;
    for (const auto& [known, text] : parts) {
      if (known != name) continue;
      out += text;
      found = true;
    }
    CHECK(found);
    page.remove_prefix(end + 2);
  }
}

std::string page_html(const Page& page) {
  std::string lead;
  for (const std::string& line : page.lead) lead += (lead.empty() ? "" : "<br>") + html_text(line);
  return filled(embedded::page_html, {{"title", html_text(page.name + " \u2013 " + page.kind)},
                                      {"css", std::string(embedded::page_css)},
                                      {"own-css", std::string(page.css)},
                                      {"kind", html_text(page.kind)},
                                      {"heading", html_text(page.name)},
                                      {"lead", lead},
                                      {"main", page.main},
                                      {"footer", html_text(page.footer)},
                                      {"data", json_for_script(page.data)},
                                      {"chart", std::string(embedded::chart_js)},
                                      {"js", std::string(embedded::page_js)},
                                      {"own-js", std::string(page.js)}});
}

std::string notes_html(const std::vector<std::string>& notes) {
  std::string out;
  for (const std::string& note : notes)
    out += fmt::format("<p class=\"note\"><b>Note.</b> {}</p>\n", html_text(note));
  return out;
}

std::string list_html(const std::vector<std::string>& items) {
  if (items.empty()) return {};
  std::string out = "<ul>";
  for (const std::string& item : items) out += fmt::format("<li>{}</li>", html_text(item));
  return out + "</ul>";
}

std::string tiles_html(const TextPairs& tiles) {
  if (tiles.empty()) return {};
  std::string out = "<div class=\"tiles\">";
  for (const auto& [value, text] : tiles)
    out += fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", html_text(value),
                       html_text(text));
  return out + "</div>";
}

std::string facts_html(const TextPairs& facts) {
  if (facts.empty()) return {};
  std::string out = "<dl class=\"facts\">";
  for (const auto& [name, value] : facts)
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", html_text(name), html_text(value));
  return out + "</dl>";
}

std::string program_name() { return "farthing " FARTHING_VERSION; }

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return out;
}

std::string file_name(const std::string& path) {
  std::filesystem::path clean = std::filesystem::path(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  return clean.filename().empty() ? path : clean.filename().string();
}

}  // namespace farthing
