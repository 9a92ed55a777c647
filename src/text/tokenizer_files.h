// Tokenizers from the files that models without a tokenizer.json bring.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"
#include "text/tokenizer_config.h"

namespace farthing {

// In each, `where` names the file in errors, and the class that `config` names says what stands
// around a text and how tokens are looked for; a class that is not known is an error that lists
// those that are.

// SentencePiece's tokenizer.model, unigram or BPE. Its encode gives what the package sentencepiece
// gives, but that special tokens in the text are recognised.
Result<Tokenizer> tokenizer_from_sentencepiece(std::string_view file, std::string_view where,
                                               const TokenizerConfig& config = {});

// GPT-2's pair vocab.json and merges.txt: byte-level BPE.
Result<Tokenizer> tokenizer_from_vocab_and_merges(std::string_view vocab_json,
                                                  std::string_view merges, std::string_view where,
                                                  const TokenizerConfig& config = {});

// BERT's vocab.txt, a token in each line: WordPiece.
Result<Tokenizer> tokenizer_from_vocab_txt(std::string_view file, std::string_view where,
                                           const TokenizerConfig& config = {});

}  // namespace farthing
