// HTML by hand: escaping, small lists, and filling a template.
#include "workflows/page/html.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/check.h"

namespace farthing {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

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

std::string notes_html(const std::vector<std::string>& notes) {
  std::string out;
  for (const std::string& note : notes)
    out += fmt::format("<p class=\"note\"><b>Note.</b> {}</p>\n", escaped(note));
  return out;
}

std::string list_html(const std::vector<std::string>& items) {
  if (items.empty()) return {};
  std::string out = "<ul>";
  for (const std::string& item : items) out += fmt::format("<li>{}</li>", escaped(item));
  return out + "</ul>";
}

std::string tile_html(std::string_view value, std::string_view text) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", escaped(value),
                     escaped(text));
}

std::string facts_html(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string out = "<dl class=\"facts\">";
  for (const auto& [name, value] : facts)
    out += fmt::format("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
  return out + "</dl>";
}

std::string file_name(const std::string& path) {
  std::filesystem::path clean = std::filesystem::path(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  return clean.filename().empty() ? path : clean.filename().string();
}

std::string filled_page(std::string_view page,
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

}  // namespace farthing
