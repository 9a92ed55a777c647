// SentencePiece's precompiled map from sequences of characters to their normal form.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/models/trie.h"

namespace farthing::tokenizer {

class Charsmap {
 public:
  // `data`: the bytes of the trie as a little-endian u32, the trie (a double array of u32, as
  // darts-clone writes it), and the texts, each ended by a zero. Fails where they do not fit; what
  // the trie points to is checked at each step. Empty data maps nothing. replace_longest leaves
  // the texts `kept` as they are.
  static Result<Charsmap> compile(std::string_view data, const std::vector<std::string>& kept,
                                  std::string_view where);

  // As SentencePiece: the longest sequence at each place.
  std::string replace_longest(std::string_view text) const;
  // As Hugging Face's tokenizers: the shortest sequence that a grapheme of less than 6 bytes
  // begins with replaces the whole grapheme; else each character so.
  std::string replace_graphemes(std::string_view text) const;

 private:
  struct Match {
    std::size_t bytes;
    std::string_view replacement;
  };
  std::optional<Match> find(std::string_view text, bool longest) const;

  std::shared_ptr<const std::string> texts_;
  std::vector<std::uint32_t> units_;
  std::shared_ptr<const Trie> kept_;
};

}  // namespace farthing::tokenizer
