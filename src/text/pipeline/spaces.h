// SentencePiece's treatment of spaces, which it spells as U+2581.
#pragma once

#include <string>

#include "text/pipeline/normalizer.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// Only the first part of a text gets the prefix and loses spaces in front, only the last those at
// its end.
void arrange_spaces(const SentencePieceSpaces& step, PartPlace place, std::string* text);

}  // namespace farthing::tokenizer
