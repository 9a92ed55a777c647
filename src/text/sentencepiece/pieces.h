// What SentencePiece's own files and GGUF files say of its vocabularies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// As sentencepiece_model.proto and GGUF number them.
enum PieceType : std::int32_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

// One score for each token of the specification that is filled.
struct SentencePieces {
  std::vector<float> scores;
  std::vector<std::int32_t> types;  // empty: all normal
  std::string charsmap;             // precompiled; empty: the text as it is
  bool add_prefix = true;           // a space before the text
  bool remove_extra_spaces = false;

  std::int32_t type_of(std::size_t token) const { return types.empty() ? kNormal : types[token]; }
};

// Fill the model, the stages and the tokens of the user of `spec`, whose tokens and unknown token
// are set. Fail on scores
// that are not one finite number for each token; `where` and the name of the list name them.
Result<void> fill_bpe(const SentencePieces& pieces, std::string_view where, Spec* spec);
Result<void> fill_unigram(const SentencePieces& pieces, std::string_view where, Spec* spec);

// Control and unknown tokens as special added ones.
void add_special_tokens(const std::vector<std::int32_t>& types, Spec* spec);

}  // namespace farthing::tokenizer
