// Byte-pair encoding: merges the symbols of a pre-token by rank until no pair of neighbours can be
// merged.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/models/model.h"
#include "text/models/trie.h"

namespace farthing::tokenizer {

// O(n log n) in the length of a pre-token (a queue of candidate merges over a linked list), so that
// tokenizers without pre-tokenizer can merge whole documents. Source: Sennrich et al. 2016.
class Bpe : public Model {
 public:
  struct Merging : Scratch {
    struct Symbol {
      std::int32_t id;  // -1: merged into the symbol before it
      std::uint32_t previous, next;
    };
    struct Candidate {
      std::uint32_t rank, position;
      std::int32_t left, right, result;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> queue;
  };

  // Symbols are bytes if `byte_level`, else characters.
  Bpe(const Spec& spec, bool byte_level);

  // Appends the tokens of `word` to `ids`. A symbol that the vocabulary lacks becomes its bytes'
  // tokens, or the unknown token, or, without that, nothing.
  void encode(std::string_view word, Scratch* scratch,
              std::vector<std::int32_t>* ids) const override;
  std::unique_ptr<Scratch> make_scratch() const override { return std::make_unique<Merging>(); }

 private:
  struct Slot {
    std::uint64_t pair = kNoPair;
    std::uint32_t rank = 0;
    std::int32_t result = 0;
  };
  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  void insert(const Merge& merge);
  const Slot* find(std::int32_t left, std::int32_t right) const;
  std::int32_t symbol_id(std::string_view symbol) const;  // -1 if there is none
  void add_symbols(std::string_view word, std::vector<Merging::Symbol>* symbols) const;
  bool add_bytes(std::string_view symbol, std::vector<Merging::Symbol>* symbols) const;
  void merge(Merging* scratch) const;
  // Of the first part of non-empty `text` that no merge leaves.
  std::size_t word_bytes(std::string_view text) const;

  bool byte_level_, byte_fallback_, fuse_unknown_;
  bool cuts_at_spaces_ = false;  // SentencePiece's: no token goes on behind a word
  std::int32_t unknown_;         // -1 if there is none
  std::array<std::int32_t, 256>
      byte_id_;  // of the symbol of one byte (below 128 in character mode)
  std::array<std::int32_t, 256> fallback_id_;  // of <0xNN>
  std::unordered_map<std::string, std::int32_t> character_id_;
  std::unordered_map<std::string, std::int32_t>
      word_id_;              // filled if merges are ignored for tokens
  Trie whole_;               // tokens of the user
  std::vector<Slot> slots_;  // open addressing, a power of two
  int shift_ = 63;
};

}  // namespace farthing::tokenizer
