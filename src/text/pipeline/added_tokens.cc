// The search for added tokens, with the rules of Hugging Face's AddedToken.
#include "text/pipeline/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

struct Character {
  utf8proc_int32_t value;
  std::size_t bytes;
};

Character first_character(std::string_view text) {
  Character character{0, 0};
  character.bytes = static_cast<std::size_t>(
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(text.size()), &character.value));
  return character;
}

Character last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
  return first_character(text.substr(begin));
}

bool is_white_space(Character character) {
  const utf8proc_int32_t value = character.value;
  return (value >= 9 && value <= 13) || value == 0x85 ||
         utf8proc_category(value) == UTF8PROC_CATEGORY_ZS ||
         utf8proc_category(value) == UTF8PROC_CATEGORY_ZL ||
         utf8proc_category(value) == UTF8PROC_CATEGORY_ZP;
}

// \w of regular expressions: letters, marks, decimal digits, connectors.
bool is_word_character(Character character) {
  switch (utf8proc_category(character.value)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is_word_character(last_character(text.substr(0, begin)))) &&
         (end == text.size() || !is_word_character(first_character(text.substr(end))));
}

}  // namespace

void AddedTokens::add(const AddedToken& token, std::string content) {
  if (content.empty()) return;
  auto& entries = by_first_byte_[static_cast<unsigned char>(content.front())];
  const auto place = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
    return entry.content.size() < content.size();
  });
  entries.insert(place, Entry{std::move(content), token});
  empty_ = false;
}

const AddedTokens::Entry* AddedTokens::longest_at(std::string_view rest) const {
  for (const Entry& entry : by_first_byte_[static_cast<unsigned char>(rest.front())]) {
    if (rest.starts_with(entry.content)) return &entry;
  }
  return nullptr;
}

void AddedTokens::split(std::string_view text, bool parse_special, const Sink& sink) const {
  std::size_t done = 0;
  for (std::size_t i = 0; !empty_ && i < text.size();) {
    const Entry* entry = longest_at(text.substr(i));
    if (entry == nullptr) {
      ++i;
      continue;
    }
    const AddedToken& token = entry->token;
    std::size_t begin = i, end = i + entry->content.size();
    i = end;
    if (token.special && !parse_special) continue;
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.lstrip) {
      while (begin > done) {
        const Character before = last_character(text.substr(done, begin - done));
        if (!is_white_space(before)) break;
        begin -= before.bytes;
      }
    }
    if (token.rstrip) {
      while (end < text.size()) {
        const Character after = first_character(text.substr(end));
        if (!is_white_space(after)) break;
        end += after.bytes;
      }
    }
    if (begin > done) sink(text.substr(done, begin - done), std::nullopt);
    sink(text.substr(begin, end - begin), token.id);
    done = end;
    i = std::max(i, end);
  }
  if (done < text.size()) sink(text.substr(done), std::nullopt);
}

}  // namespace farthing::tokenizer
