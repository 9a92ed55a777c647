// The trie of the map, read as darts-clone lays it out.
#include "text/pipeline/charsmap.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <cstring>

#include "text/unicode/character_class.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

// A unit of darts-clone: what it is the label of, whether it has a value, where its children are.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) == 1; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label_of(std::uint32_t unit) { return unit & (0x80000000u | 0xFF); }
std::size_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::compile(std::string_view data, const std::vector<std::string>& kept,
                                   std::string_view where) {
  Charsmap map;
  std::vector<std::pair<std::string, std::int32_t>> entries;
  for (const std::string& text : kept) {
    if (is_valid_utf8(text)) entries.emplace_back(text, 0);
  }
  map.kept_ = std::make_shared<const Trie>(std::move(entries));
  map.texts_ = std::make_shared<const std::string>();
  if (data.empty()) return map;
  std::uint32_t trie_bytes = 0;
  if (data.size() >= 4) {
    for (int i = 3; i >= 0; --i)
      trie_bytes = trie_bytes << 8 | static_cast<unsigned char>(data[static_cast<std::size_t>(i)]);
  }
  if (data.size() < 4 || trie_bytes % 4 != 0 || trie_bytes > data.size() - 4) {
    return fail({.what = "the character map of the tokenizer is damaged",
                 .where = std::string(where),
                 .got = fmt::format("{} bytes that announce a trie of {}", data.size(), trie_bytes),
                 .wanted = "the length of the trie, the trie in units of 4 bytes, and the texts",
                 .remedy = "download the file again"});
  }
  map.units_.resize(trie_bytes / 4);
  for (std::size_t i = 0; i < map.units_.size(); ++i) {
    std::uint32_t unit = 0;
    for (std::size_t k = 4; k-- > 0;)
      unit = unit << 8 | static_cast<unsigned char>(data[4 + 4 * i + k]);
    map.units_[i] = unit;
  }
  map.texts_ = std::make_shared<const std::string>(data.substr(4 + trie_bytes));
  return map;
}

std::optional<Charsmap::Match> Charsmap::find(std::string_view text, bool longest) const {
  std::optional<Match> match;
  if (units_.empty()) return match;
  std::size_t node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit) || node >= units_.size()) continue;
    const std::uint32_t begin = value_of(units_[node]);
    if (begin >= texts_->size()) continue;
    const std::string_view rest = std::string_view(*texts_).substr(begin);
    const std::string_view replacement = rest.substr(0, rest.find('\0'));
    if (!is_valid_utf8(replacement)) continue;  // a damaged file
    match = Match{i + 1, replacement};
    if (!longest) break;
  }
  return match;
}

std::string Charsmap::replace_longest(std::string_view text) const {
  std::string out;
  while (!text.empty()) {
    if (const std::size_t kept = kept_->longest(text); kept > 0) {
      out += text.substr(0, kept);
      text.remove_prefix(kept);
      continue;
    }
    if (const auto match = find(text, true)) {
      out += match->replacement;
      // A key of a damaged file may end inside of a character.
      std::size_t bytes = match->bytes;
      while (bytes < text.size() && (text[bytes] & 0xC0) == 0x80) ++bytes;
      text.remove_prefix(bytes);
      continue;
    }
    const std::size_t bytes = utf8_character_bytes(text[0]);
    out += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return out;
}

std::string Charsmap::replace_graphemes(std::string_view text) const {
  std::string out;
  while (!text.empty()) {
    utf8proc_int32_t state = 0;
    Character character = first_character(text);
    std::size_t bytes = character.bytes;
    while (bytes < text.size()) {
      const Character next = first_character(text.substr(bytes));
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(character.value),
                                           static_cast<utf8proc_int32_t>(next.value), &state))
        break;
      character = next;
      bytes += next.bytes;
    }
    const std::string_view grapheme = text.substr(0, bytes);
    text.remove_prefix(bytes);
    if (bytes < 6) {
      if (const auto match = find(grapheme, false)) {
        out += match->replacement;
        continue;
      }
    }
    for (std::size_t i = 0; i < grapheme.size();) {
      const std::string_view part = grapheme.substr(i, utf8_character_bytes(grapheme[i]));
      const auto match = find(part, false);
      out += match ? match->replacement : part;
      i += part.size();
    }
  }
  return out;
}

}  // namespace farthing::tokenizer
