// The adapter of utf8proc.
#include "text/pipeline/normal_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

int options_of(NormalForm form) {
  switch (form) {
    case NormalForm::kNfc:
      return UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    case NormalForm::kNfd:
      return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    case NormalForm::kNfkc:
      return UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    case NormalForm::kNfkd:
      return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
  }
  return 0;
}

void append_form(std::string_view text, int options, std::string* out) {
  if (text.empty()) return;
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t bytes = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &made, static_cast<utf8proc_option_t>(options));
  // Fails only on invalid UTF-8, which the tokenizer has replaced, or without memory.
  CHECK(bytes >= 0);
  out->append(reinterpret_cast<const char*>(made), static_cast<std::size_t>(bytes));
  std::free(made);
}

}  // namespace

void normalize_form(NormalForm form, std::string* text) {
  if (is_ascii(*text)) return;
  const int options = options_of(form);
  std::string out;
  // A character without a table entry is a starter that combines with nothing: it cuts the text.
  std::size_t begin = 0, at = 0;
  while (at < text->size()) {
    const Character character = first_character(std::string_view(*text).substr(at));
    if (is_unknown_to_normal_forms(character.value)) {
      append_form(std::string_view(*text).substr(begin, at - begin), options, &out);
      out.append(*text, at, character.bytes);
      begin = at + character.bytes;
    }
    at += character.bytes;
  }
  append_form(std::string_view(*text).substr(begin), options, &out);
  text->swap(out);
}

void lowercase(std::string* text) {
  if (is_ascii(*text)) {
    for (char& c : *text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return;
  }
  rewrite_characters(text, [](char32_t c, std::string_view, std::string* out) {
    if (c == 0x130) {  // the one letter whose small form is two characters
      append_utf8('i', out);
      append_utf8(0x307, out);
    } else {
      append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
    }
  });
}

}  // namespace farthing::tokenizer
