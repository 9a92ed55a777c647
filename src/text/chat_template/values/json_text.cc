// JSON as Python's json.dumps writes it.
#include <fmt/format.h>

#include <algorithm>

#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/print.h"
#include "text/chat_template/values/refusal.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

void append_quoted(std::string_view text, bool ensure_ascii, std::string* out) {
  *out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = utf8_character_bytes(text[i]);
    const char32_t c = first_character(text.substr(i));
    const auto code = static_cast<std::uint32_t>(c);
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      case '\b':
        *out += "\\b";
        break;
      case '\f':
        *out += "\\f";
        break;
      default:
        if (c < 0x20 || (ensure_ascii && c >= 0x7F && c < 0x10000)) {
          *out += fmt::format("\\u{:04x}", code);
        } else if (ensure_ascii && c >= 0x10000) {
          *out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                              0xDC00 + ((code - 0x10000) & 0x3FF));
        } else {
          *out += text.substr(i, bytes);
        }
    }
    i += bytes;
  }
  *out += '"';
}

std::string json_float(double number) {
  const std::string text = float_text(number);
  if (text == "nan") return "NaN";
  if (text == "inf") return "Infinity";
  return text == "-inf" ? "-Infinity" : text;
}

class Writer {
 public:
  Writer(const JsonStyle& style, Budget* budget) : style_(style), budget_(budget) {}

  Result<> write(const Value& value) {
    TRY(budget_->spend(kStepsOfElement));
    switch (value.kind()) {
      case Kind::kNone:
        out += "null";
        return {};
      case Kind::kBoolean:
        out += value.boolean() ? "true" : "false";
        return {};
      case Kind::kInteger:
        out += std::to_string(value.integer());
        return {};
      case Kind::kFloat:
        out += json_float(value.real());
        return {};
      case Kind::kString:
        TRY(budget_->spend_bytes(value.text().size()));
        append_quoted(value.text(), style_.ensure_ascii, &out);
        return {};
      case Kind::kMap:
        return write_map(value.map());
      case Kind::kSequence:
        if (value.is_list() || value.is_tuple()) return write_list(value.items());
        break;
      default:
        break;
    }
    return refuse(value);
  }

  std::string out;

 private:
  static tl::unexpected<Error> refuse(const Value& value) {
    return refused(
        "the chat template writes as JSON what JSON has no form for",
        value.is(Kind::kUndefined) ? value.why_undefined() : fmt::format("a {}", value.type_name()),
        "text, numbers, lists and dictionaries");
  }

  void new_line() {
    if (!style_.indent) return;
    out += '\n';
    for (int i = 0; i < level_; ++i) out += *style_.indent;
  }
  // The comma between two members; in front of a new line it has no space.
  void separate() {
    out += style_.item_separator;
    new_line();
  }

  Result<> write_list(const List& items) {
    if (items.empty()) {
      out += "[]";
      return {};
    }
    out += '[';
    ++level_;
    new_line();
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) separate();
      TRY(write(items[i]));
    }
    --level_;
    new_line();
    out += ']';
    return {};
  }

  Result<> write_key(const Value& key) {
    if (key.is(Kind::kString)) return write(key);
    out += '"';
    TRY(write(key));
    out += '"';
    return {};
  }

  Result<> write_map(const Map& map) {
    if (map.empty()) {
      out += "{}";
      return {};
    }
    std::vector<Map::Member> members = map.members();
    if (style_.sort_keys) {
      for (const auto& [key, value] : members) {
        if (!key.is(Kind::kString)) return refuse(key);
      }
      std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
        return a.first.text() < b.first.text();
      });
    }
    out += '{';
    ++level_;
    new_line();
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) separate();
      TRY(write_key(members[i].first));
      out += style_.key_separator;
      TRY(write(members[i].second));
    }
    --level_;
    new_line();
    out += '}';
    return {};
  }

  const JsonStyle& style_;
  Budget* budget_;
  int level_ = 0;
};

}  // namespace

Result<std::string> to_json(const Value& value, const JsonStyle& style, Budget* budget) {
  Writer writer(style, budget);
  TRY(writer.write(value));
  return std::move(writer.out);
}

}  // namespace farthing::jinja
