// Filters that make texts of texts.
#include <fmt/format.h>

#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/compare.h"
#include "text/chat_template/values/print.h"
#include "text/unicode/utf8.h"

namespace farthing::jinja {
namespace {

// A text that keeps the operand's mark; jinja2's soft_str keeps it too.
Value like(const Value& operand, std::string text) {
  return operand.is_markup() ? Value::markup(std::move(text)) : Value(std::move(text));
}

bool begins_word(char c, char32_t character) {
  return is_space(character) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
}

}  // namespace

Result<std::string> replaced(Interpreter& in, const std::string& value, const std::string& old,
                             const std::string& by, std::int64_t count) {
  std::string out;
  std::size_t from = 0;
  TRY(in.budget().spend_bytes(value.size()));
  for (; count != 0; --count) {
    const std::size_t at = value.find(old, from);
    if (at == std::string::npos) break;
    TRY(in.budget().spend_bytes(by.size()));
    out.append(value, from, at - from);
    out += by;
    from = at + old.size();
    if (!old.empty()) continue;
    // Between all characters, and at both ends.
    if (from == value.size()) return out;
    const std::size_t bytes = utf8_character_bytes(value[from]);
    out.append(value, from, bytes);
    from += bytes;
  }
  return out + value.substr(from);
}

Result<Value> filter_string(Call& call) {
  if (call.self.is(Kind::kString)) return call.self;
  return Value(TRY(call.in.text(call.self)));
}

Result<Value> filter_safe(Call& call) { return Value::markup(TRY(call.in.text(call.self))); }

Result<Value> filter_upper(Call& call) {
  return like(call.self, TRY(change_case(TRY(call.in.text(call.self)), Case::kUpper)));
}

Result<Value> filter_lower(Call& call) {
  return like(call.self, TRY(change_case(TRY(call.in.text(call.self)), Case::kLower)));
}

Result<Value> filter_capitalize(Call& call) {
  return like(call.self, TRY(capitalize(TRY(call.in.text(call.self)))));
}

// Words begin behind white space and opening brackets, unlike those of str.title.
Result<Value> filter_title(Call& call) {
  const std::string text = TRY(call.in.text(call.self));
  std::string out;
  bool at_begin = true;
  TRY(call.in.budget().spend_characters(text.size()));
  for (const std::string_view c : characters(text)) {
    const bool separates = begins_word(c[0], first_character(c));
    out += TRY(change_case(c, at_begin && !separates ? Case::kUpper : Case::kLower));
    at_begin = separates;
  }
  return Value(std::move(out));
}

Result<Value> filter_trim(Call& call) {
  const std::string text = TRY(call.in.text(call.self));
  std::string what;
  if (call.some(0) != nullptr) what = TRY(call.text(0));
  const std::string_view chars = what;
  return like(call.self,
              std::string(strip(text, call.some(0) != nullptr ? &chars : nullptr, true, true)));
}

Result<Value> filter_replace(Call& call) {
  const std::int64_t count = call.some(2) != nullptr ? TRY(call.integer(2, -1)) : -1;
  return Value(
      TRY(replaced(call.in, TRY(call.in.text(call.self)), TRY(call.in.text(*call.given(0))),
                   TRY(call.in.text(*call.given(1))), count)));
}

Result<Value> filter_indent(Call& call) {
  if (call.self.is(Kind::kUndefined)) return undefined_error(call.self);
  if (!call.self.is(Kind::kString) || call.self.is_markup()) {
    return call.refuse(fmt::format("a {}", call.self.type_name()), "a text");
  }
  std::string indent;
  if (call.given(0) != nullptr && call.given(0)->is(Kind::kString)) {
    indent = call.given(0)->text();
  } else {
    const std::int64_t width = std::max<std::int64_t>(TRY(call.integer(0, 4)), 0);
    TRY(call.in.budget().spend_bytes(static_cast<std::size_t>(width)));
    indent = std::string(static_cast<std::size_t>(width), ' ');
  }
  const std::string text = call.self.text() + "\n";
  std::string out = call.truth(1) ? indent : "";
  bool at_first = true;
  TRY(call.in.budget().spend_new_items(most_lines(text)));
  for (const std::string_view line : split_lines(text)) {
    if (!at_first) {
      TRY(call.in.budget().spend_bytes(indent.size()));
      out += '\n';
      if (!line.empty() || call.truth(2)) out += indent;
    }
    at_first = false;
    out += line;
  }
  return Value(std::move(out));
}

Result<Value> filter_join(Call& call) {
  const std::string separator = call.given(0) != nullptr ? TRY(call.in.text(*call.given(0))) : "";
  std::string out;
  bool at_first = true;
  for (const Value& item : TRY(call.in.elements(call.self))) {
    if (!at_first) out += separator;
    at_first = false;
    out += TRY(
        call.in.text(call.some(1) != nullptr ? TRY(at_path(call.in, item, *call.some(1))) : item));
    TRY(call.in.budget().spend_bytes(separator.size()));
  }
  return Value(std::move(out));
}

Result<Value> filter_tojson(Call& call) {
  JsonStyle style;
  style.ensure_ascii = call.truth(0);
  style.sort_keys = call.truth(3);
  if (const Value* indent = call.some(1)) {
    if (indent->is(Kind::kString)) {
      style.indent = indent->text();
    } else {
      const std::int64_t width = std::max<std::int64_t>(TRY(call.integer(1, 0)), 0);
      if (width > 1000) return call.refuse(fmt::format("an indent of {}", width), "at most 1000");
      style.indent.emplace(static_cast<std::size_t>(width), ' ');
    }
    style.item_separator.assign(1, ',');
  }
  if (const Value* separators = call.some(2)) {
    const List both = TRY(call.in.elements(*separators));
    if (both.size() != 2 || !both[0].is(Kind::kString) || !both[1].is(Kind::kString)) {
      return call.refuse("other separators", "two texts");
    }
    style.item_separator = both[0].text();
    style.key_separator = both[1].text();
  }
  return Value(TRY(to_json(call.self, style, &call.in.budget())));
}

}  // namespace farthing::jinja
