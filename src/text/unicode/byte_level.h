// GPT-2's reversible spelling of bytes as printable characters, in which byte-level vocabularies
// are written.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace farthing {

// Bytes that are printable in Latin-1 stand for themselves; the others, in ascending order, are
// U+0100, U+0101, ... (so a space is U+0120). Source: encoder.py of OpenAI's GPT-2.
std::string spell_bytes(std::string_view bytes);

// The inverse; nothing if a character of `spelling` stands for no byte.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

}  // namespace farthing
