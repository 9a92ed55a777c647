// The search for added tokens, with the rules of Hugging Face's AddedToken.
#include "text/pipeline/added_tokens.h"

#include <algorithm>

#include "text/unicode/character_class.h"

namespace farthing::tokenizer {
namespace {

Character last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
  return first_character(text.substr(begin));
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is_word_character(last_character(text.substr(0, begin)).value)) &&
         (end == text.size() || !is_word_character(first_character(text.substr(end)).value));
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
        if (!is_white_space(before.value)) break;
        begin -= before.bytes;
      }
    }
    if (token.rstrip) {
      while (end < text.size()) {
        const Character after = first_character(text.substr(end));
        if (!is_white_space(after.value)) break;
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
