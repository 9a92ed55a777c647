// UTF-8 after table 3-7 of the Unicode standard (well-formed byte sequences).
#include "text/unicode/utf8.h"

#include <cstdint>
#include <cstring>

namespace farthing {

Utf8Step utf8_step(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {Utf8Step::Kind::kCharacter, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Utf8Step::Kind::kInvalid, 1};
  const std::size_t bytes = utf8_character_bytes(text[0]);
  // The second byte excludes overlong forms, surrogates and values above U+10FFFF.
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < bytes; ++i) {
    if (i == text.size()) return {Utf8Step::Kind::kTruncated, i};
    if (byte(i) < low || byte(i) > high) return {Utf8Step::Kind::kInvalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8Step::Kind::kCharacter, bytes};
}

bool is_valid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    std::uint64_t eight;
    if (i + 8 <= text.size()) {  // most text is ASCII: eight bytes at once
      std::memcpy(&eight, text.data() + i, 8);
      if ((eight & 0x8080808080808080u) == 0) {
        i += 8;
        continue;
      }
    }
    const Utf8Step step = utf8_step(text.substr(i));
    if (step.kind != Utf8Step::Kind::kCharacter) return false;
    i += step.bytes;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string pending(text), out;
  take_whole_characters(&pending, &out);
  if (!pending.empty()) out += kReplacementCharacter;
  return out;
}

void take_whole_characters(std::string* pending, std::string* out) {
  std::string_view rest = *pending;
  while (!rest.empty()) {
    const Utf8Step step = utf8_step(rest);
    if (step.kind == Utf8Step::Kind::kTruncated) break;
    *out += step.kind == Utf8Step::Kind::kCharacter ? rest.substr(0, step.bytes)
                                                    : kReplacementCharacter;
    rest.remove_prefix(step.bytes);
  }
  pending->erase(0, pending->size() - rest.size());
}

void append_utf8(char32_t character, std::string* out) {
  const auto put = [&](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xC0 | character >> 6);
    put(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    put(0xE0 | character >> 12);
    put(0x80 | (character >> 6 & 0x3F));
    put(0x80 | (character & 0x3F));
  } else {
    put(0xF0 | character >> 18);
    put(0x80 | (character >> 12 & 0x3F));
    put(0x80 | (character >> 6 & 0x3F));
    put(0x80 | (character & 0x3F));
  }
}

}  // namespace farthing
