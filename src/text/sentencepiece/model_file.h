// SentencePiece's tokenizer.model as plain data.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/sentencepiece/pieces.h"

namespace farthing::tokenizer {

struct SentencePieceModel {
  enum Kind : std::int32_t { kUnigram = 1, kBpe, kWord, kChar };
  std::int32_t kind = kUnigram;
  std::vector<std::string> tokens;
  SentencePieces pieces;
  std::optional<std::int32_t> unknown, bos, eos;
};

// Reads the fields of sentencepiece_model.proto that say how a text is cut; others are training's.
// Fails on a file that is damaged and on pieces without text.
Result<SentencePieceModel> parse_sentencepiece_model(std::string_view file, std::string_view where);

}  // namespace farthing::tokenizer
