// Methods of Python's str.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "text/chat_template/builtins/functions.h"
#include "text/chat_template/run/operators.h"
#include "text/chat_template/values/characters.h"
#include "text/chat_template/values/refusal.h"

namespace farthing::jinja {
namespace {

Result<Value> stripped(Call& call, bool left, bool right) {
  std::string what;
  if (call.some(0) != nullptr) what = TRY(call.text(0));
  const std::string_view chars = what;
  return Value(strip(call.self.text(), call.some(0) != nullptr ? &chars : nullptr, left, right));
}

// Whether the text begins or ends with the argument, a text or a tuple of texts.
Result<Value> has_affix(Call& call, bool at_end) {
  const std::string& text = call.self.text();
  const Value& argument = *call.given(0);
  const List candidates = argument.is_tuple() ? argument.items() : List{argument};
  for (const Value& candidate : candidates) {
    if (candidate.is(Kind::kUndefined)) return undefined_error(candidate);
    if (!candidate.is(Kind::kString)) {
      return call.refuse(fmt::format("a {}", candidate.type_name()), "a text");
    }
    if (at_end ? text.ends_with(candidate.text()) : text.starts_with(candidate.text())) {
      return Value(true);
    }
  }
  return Value(false);
}

// The place, in characters, of the argument between the two bounds; -1 where it is not there.
Result<std::int64_t> place_of(Call& call, bool last) {
  const std::string& text = call.self.text();
  const std::string sought = TRY(call.text(0));
  const auto size = static_cast<std::int64_t>(character_count(text));
  const auto bound = [&](std::size_t i, std::int64_t otherwise) -> Result<std::int64_t> {
    const std::int64_t given = call.some(i) != nullptr ? TRY(call.integer(i, 0)) : otherwise;
    return std::max<std::int64_t>(given < 0 ? given + size : given, 0);
  };
  const std::int64_t first = TRY(bound(1, 0)), end = TRY(bound(2, size));
  if (first > size || first > end) return -1;
  const std::size_t begin_byte = byte_of_character(text, static_cast<std::size_t>(first));
  const std::size_t end_byte = byte_of_character(text, static_cast<std::size_t>(end));
  const std::string_view part = std::string_view(text).substr(begin_byte, end_byte - begin_byte);
  const std::size_t found = last ? part.rfind(sought) : part.find(sought);
  if (found == std::string_view::npos) return -1;
  return first + static_cast<std::int64_t>(character_count(part.substr(0, found)));
}

Result<Value> parted(Call& call, bool last) {
  const std::string &text = call.self.text(), separator = TRY(call.text(0));
  if (separator.empty()) return call.refuse("an empty separator", "a text");
  const std::size_t found = last ? text.rfind(separator) : text.find(separator);
  if (found != std::string::npos) {
    return Value::tuple({Value(text.substr(0, found)), Value(separator),
                         Value(text.substr(found + separator.size()))});
  }
  return last ? Value::tuple({Value(""), Value(""), call.self})
              : Value::tuple({call.self, Value(""), Value("")});
}

Result<Value> all_characters(Call& call, bool (*accepts)(char)) {
  const std::string& text = call.self.text();
  if (!is_ascii(text)) return call.refuse("a text with other characters", "ASCII");
  return Value(!text.empty() && std::all_of(text.begin(), text.end(), accepts));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

Result<Value> method_lstrip(Call& call) { return stripped(call, true, false); }
Result<Value> method_rstrip(Call& call) { return stripped(call, false, true); }
Result<Value> method_startswith(Call& call) { return has_affix(call, false); }
Result<Value> method_endswith(Call& call) { return has_affix(call, true); }
Result<Value> method_partition(Call& call) { return parted(call, false); }
Result<Value> method_rpartition(Call& call) { return parted(call, true); }
Result<Value> method_find(Call& call) { return Value(TRY(place_of(call, false))); }
Result<Value> method_rfind(Call& call) { return Value(TRY(place_of(call, true))); }

Result<Value> method_index_text(Call& call) {
  const std::int64_t place = TRY(place_of(call, false));
  if (place < 0) return call.refuse("a text that is not there", "a part of the text");
  return Value(place);
}

Result<Value> method_count_text(Call& call) {
  const std::string &text = call.self.text(), sought = TRY(call.text(0));
  if (sought.empty()) return Value(static_cast<std::int64_t>(character_count(text)) + 1);
  std::int64_t count = 0;
  for (std::size_t at = text.find(sought); at != std::string::npos;
       at = text.find(sought, at + sought.size())) {
    ++count;
  }
  return Value(count);
}

Result<Value> method_isdigit(Call& call) { return all_characters(call, is_digit); }
Result<Value> method_isalpha(Call& call) { return all_characters(call, is_letter); }
Result<Value> method_isalnum(Call& call) {
  return all_characters(call, [](char c) { return is_digit(c) || is_letter(c); });
}
Result<Value> method_isspace(Call& call) {
  TRY(call.in.budget().spend_characters(call.self.text().size()));
  const std::vector<std::string_view> all = characters(call.self.text());
  return Value(!all.empty() && std::all_of(all.begin(), all.end(), [](std::string_view c) {
    return is_space(first_character(c));
  }));
}

Result<Value> method_removeprefix(Call& call) {
  const std::string prefix = TRY(call.text(0));
  const bool has = call.self.text().starts_with(prefix);
  return has ? Value(call.self.text().substr(prefix.size())) : call.self;
}

Result<Value> method_removesuffix(Call& call) {
  const std::string &text = call.self.text(), suffix = TRY(call.text(0));
  return text.ends_with(suffix) ? Value(text.substr(0, text.size() - suffix.size())) : call.self;
}

Result<Value> method_replace(Call& call) {
  const std::string old = TRY(call.text(0)), by = TRY(call.text(1));
  return Value(TRY(replaced(call.in, call.self.text(), old, by, TRY(call.integer(2, -1)))));
}

Result<Value> method_join(Call& call) {
  std::string out;
  bool at_first = true;
  for (const Value& item : TRY(call.in.elements(*call.given(0)))) {
    if (!item.is(Kind::kString) || item.is_markup()) {
      return call.refuse(fmt::format("a {} in the list", item.type_name()), "texts");
    }
    TRY(call.in.budget().spend_bytes(call.self.text().size() + item.text().size()));
    if (!at_first) out += call.self.text();
    at_first = false;
    out += item.text();
  }
  return Value(std::move(out));
}

// A letter behind what is no letter begins a word.
Result<Value> method_title(Call& call) {
  if (!is_ascii(call.self.text())) return call.refuse("a text with other letters", "ASCII");
  std::string out = call.self.text();
  bool in_word = false;
  for (char& c : out) {
    if (!is_letter(c)) {
      in_word = false;
    } else {
      c = static_cast<char>(in_word ? c | 0x20 : c & ~0x20);
      in_word = true;
    }
  }
  return Value(std::move(out));
}

// {} {0} {name} {{ }}, without format specifications.
Result<Value> method_format(Call& call) {
  const std::string& text = call.self.text();
  const auto refuse = [&](std::string_view what) {
    return refused("the chat template uses a format that is not supported",
                   fmt::format("'{}' in '{}'", what, text.substr(0, 80)),
                   "{}, {0}, {name}, {{ or }}, each with its argument");
  };
  std::string out;
  std::size_t next = 0;
  bool counts = false, numbers = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{' && text[i] != '}') {
      out += text[i];
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == text[i]) {
      out += text[i++];
      continue;
    }
    const std::size_t end = text.find('}', i);
    if (text[i] == '}' || end == std::string::npos) return refuse(text.substr(i, 1));
    const std::string field = text.substr(i + 1, end - i - 1);
    const bool is_number = std::all_of(field.begin(), field.end(), is_digit);
    const Value* found = nullptr;
    if (is_number) {
      (field.empty() ? counts : numbers) = true;
      const std::size_t place = field.empty() ? next++ : field.size() < 6 ? std::stoul(field) : 99;
      if (place < call.positional.size()) found = &call.positional[place];
    } else {
      for (const auto& [name, value] : call.named) {
        if (name == field) found = &value;
      }
    }
    if (found == nullptr || (counts && numbers)) return refuse(text.substr(i, end + 1 - i));
    out += TRY(call.in.text(*found));
    i = end;
  }
  return Value(std::move(out));
}

}  // namespace farthing::jinja
