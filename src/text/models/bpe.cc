// The table of merges, the first symbols of a word, and the merging.
#include "text/models/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "text/unicode/byte_level.h"
#include "text/unicode/utf8.h"

namespace farthing::tokenizer {
namespace {

constexpr std::size_t kLongestWordBytes = std::size_t{1} << 30;  // positions are 32-bit
constexpr std::uint32_t kNone = ~std::uint32_t{0};
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

std::vector<std::pair<std::string, std::int32_t>> whole_tokens(const Spec& spec) {
  std::vector<std::pair<std::string, std::int32_t>> out;
  for (const std::int32_t id : spec.whole) {
    const std::string& token = spec.tokens[static_cast<std::size_t>(id)];
    if (is_valid_utf8(token)) out.emplace_back(token, id);
  }
  return out;
}

// Whether the text holds U+2581, SentencePiece's space, behind another character.
bool has_inner_space(std::string_view text) {
  for (std::size_t i = text.find(kSpace, 1); i != std::string_view::npos;
       i = text.find(kSpace, i + 1)) {
    if (!text.substr(0, i).ends_with(kSpace)) return true;
  }
  return false;
}

// Orders the heap: the lowest rank on top, of equals the leftmost.
bool is_later(const Bpe::Merging::Candidate& a, const Bpe::Merging::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

Bpe::Bpe(const Spec& spec, bool byte_level)
    : byte_level_(byte_level),
      byte_fallback_(spec.byte_fallback),
      fuse_unknown_(spec.fuse_unknown),
      unknown_(spec.unknown.value_or(-1)),
      whole_(whole_tokens(spec)) {
  byte_id_.fill(-1);
  fallback_id_.fill(-1);
  for (std::size_t i = 0; i < spec.tokens.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    const std::string& spelled = spec.tokens[i];
    if (spelled.empty()) continue;
    const std::string text = byte_level ? bytes_of_spelling(spelled).value_or(spelled) : spelled;
    if (spec.ignore_merges) word_id_.emplace(text, id);
    if (const int byte = byte_of_token(spelled); byte >= 0 && spelled == byte_token(byte)) {
      fallback_id_[byte] = id;
    }
    const auto first = static_cast<unsigned char>(text[0]);
    if (text.size() == 1 && (byte_level || first < 0x80)) {
      byte_id_[first] = id;
    } else if (!byte_level && text.size() == utf8_character_bytes(text[0])) {
      character_id_.emplace(text, id);
    }
  }
  const std::size_t capacity = std::bit_ceil(spec.merges.size() * 3 / 2 + 2);
  slots_.resize(capacity);
  shift_ = 64 - std::countr_zero(capacity);
  for (const Merge& merge : spec.merges) insert(merge);
  const auto joins_words = [&](std::int32_t id) { return has_inner_space(spec.tokens[id]); };
  cuts_at_spaces_ = !byte_level && character_id_.contains(std::string(kSpace)) &&
                    std::none_of(spec.whole.begin(), spec.whole.end(), joins_words) &&
                    std::none_of(spec.merges.begin(), spec.merges.end(),
                                 [&](const Merge& merge) { return joins_words(merge.result); });
}

std::size_t Bpe::word_bytes(std::string_view text) const {
  std::size_t bytes = std::min(text.size(), kLongestWordBytes);
  if (cuts_at_spaces_) {
    std::size_t i = 0;
    while (text.substr(i).starts_with(kSpace)) i += kSpace.size();
    bytes = std::min(bytes, text.find(kSpace, i));
  }
  while (bytes < text.size() && (text[bytes] & 0xC0) == 0x80) --bytes;
  return bytes;
}

void Bpe::insert(const Merge& merge) {
  const std::uint64_t pair = pair_of(merge.left, merge.right);
  std::size_t i = pair * 0x9E3779B97F4A7C15u >> shift_;
  while (slots_[i].pair != kNoPair && slots_[i].pair != pair) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {pair, merge.rank, merge.result};
}

const Bpe::Slot* Bpe::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = pair_of(left, right);
  std::size_t i = pair * 0x9E3779B97F4A7C15u >> shift_;
  while (slots_[i].pair != kNoPair) {
    if (slots_[i].pair == pair) return &slots_[i];
    i = (i + 1) & (slots_.size() - 1);
  }
  return nullptr;
}

std::int32_t Bpe::symbol_id(std::string_view symbol) const {
  if (symbol.size() == 1) return byte_id_[static_cast<unsigned char>(symbol[0])];
  const auto found = character_id_.find(std::string(symbol));
  return found == character_id_.end() ? -1 : found->second;
}

bool Bpe::add_bytes(std::string_view symbol, std::vector<Merging::Symbol>* symbols) const {
  const auto id_of = [&](char byte) { return fallback_id_[static_cast<unsigned char>(byte)]; };
  if (!std::all_of(symbol.begin(), symbol.end(), [&](char byte) { return id_of(byte) >= 0; })) {
    return false;
  }
  for (const char byte : symbol) symbols->push_back({id_of(byte), 0, 0});
  return true;
}

void Bpe::add_symbols(std::string_view word, std::vector<Merging::Symbol>* symbols) const {
  bool after_unknown = false;
  for (std::size_t i = 0; i < word.size();) {
    std::int32_t whole = -1;
    if (const std::size_t length = whole_.longest(word.substr(i), &whole); length > 0) {
      symbols->push_back({whole, 0, 0});
      after_unknown = false;
      i += length;
      continue;
    }
    const std::size_t bytes =
        byte_level_ ? 1 : std::min(utf8_character_bytes(word[i]), word.size() - i);
    const std::string_view symbol = word.substr(i, bytes);
    i += bytes;
    const std::int32_t id = symbol_id(symbol);
    if (id >= 0) {
      symbols->push_back({id, 0, 0});
      after_unknown = false;
    } else if (byte_fallback_ && add_bytes(symbol, symbols)) {
      after_unknown = false;
    } else if (unknown_ >= 0) {
      if (!(after_unknown && fuse_unknown_)) symbols->push_back({unknown_, 0, 0});
      after_unknown = true;
    }
  }
}

void Bpe::merge(Merging* scratch) const {
  auto& symbols = scratch->symbols;
  auto& queue = scratch->queue;
  const auto count = static_cast<std::uint32_t>(symbols.size());
  queue.clear();
  const auto candidate = [&](std::uint32_t position, std::uint32_t next) {
    const std::int32_t left = symbols[position].id, right = symbols[next].id;
    const Slot* slot = find(left, right);
    if (slot == nullptr) return false;
    queue.push_back({slot->rank, position, left, right, slot->result});
    return true;
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    symbols[i].previous = i == 0 ? kNone : i - 1;
    symbols[i].next = i + 1 == count ? kNone : i + 1;
    if (i + 1 < count) candidate(i, i + 1);
  }
  std::make_heap(queue.begin(), queue.end(), is_later);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), is_later);
    const Merging::Candidate top = queue.back();
    queue.pop_back();
    Merging::Symbol& symbol = symbols[top.position];
    // A candidate is stale when either half has been merged since.
    if (symbol.id != top.left || symbol.next == kNone || symbols[symbol.next].id != top.right)
      continue;
    symbols[symbol.next].id = -1;
    symbol.id = top.result;
    symbol.next = symbols[symbol.next].next;
    if (symbol.next != kNone) {
      symbols[symbol.next].previous = top.position;
      if (candidate(top.position, symbol.next))
        std::push_heap(queue.begin(), queue.end(), is_later);
    }
    if (symbol.previous != kNone && candidate(symbol.previous, top.position)) {
      std::push_heap(queue.begin(), queue.end(), is_later);
    }
  }
}

void Bpe::encode(std::string_view word, Scratch* any, std::vector<std::int32_t>* ids) const {
  auto* scratch = static_cast<Merging*>(any);
  if (!word_id_.empty()) {
    if (const auto found = word_id_.find(std::string(word)); found != word_id_.end()) {
      ids->push_back(found->second);
      return;
    }
  }
  while (!word.empty()) {
    const std::size_t bytes = word_bytes(word);
    scratch->symbols.clear();
    add_symbols(word.substr(0, bytes), &scratch->symbols);
    word.remove_prefix(bytes);
    merge(scratch);
    for (const Merging::Symbol& symbol : scratch->symbols) {
      if (symbol.id >= 0) ids->push_back(symbol.id);
    }
  }
}

}  // namespace farthing::tokenizer
