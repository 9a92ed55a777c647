// Unicode's normal forms and lower case of a text.
#pragma once

#include <string>
#include <string_view>

#include "text/pipeline/spec.h"
#include "text/unicode/character_class.h"

namespace farthing::tokenizer {

// Rewrites valid UTF-8. Characters that the package tokenizers does not know are left alone.
void normalize_form(NormalForm form, std::string* text);

// Character by character: a final sigma is like any other.
void lowercase(std::string* text);

// Replaces `text` by what `rewrite(character, spelled, out)` appends for each character.
template <class Rewrite>
void rewrite_characters(std::string* text, const Rewrite& rewrite) {
  std::string out;
  out.reserve(text->size());
  std::string_view rest = *text;
  while (!rest.empty()) {
    const Character character = first_character(rest);
    rewrite(character.value, rest.substr(0, character.bytes), &out);
    rest.remove_prefix(character.bytes);
  }
  text->swap(out);
}

}  // namespace farthing::tokenizer
