// WordPiece: of each word the longest token, then of the rest the longest, ...
#pragma once

#include <cstdint>
#include <string>

namespace farthing::tokenizer {

// Spec::model of the kind WordPiece.
struct WordPieceOptions {
  std::string prefix = "##";        // of tokens that continue a word
  std::int32_t longest_word = 100;  // in characters; a longer word is one unknown token
};

}  // namespace farthing::tokenizer
