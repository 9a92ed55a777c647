// Tokenizers from the vocabulary of a GGUF file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace farthing {

// The metadata tokenizer.ggml.*; what a file leaves out is left empty here.
struct GgufVocabulary {
  std::string model;  // "gpt2": byte-level BPE, "llama": SentencePiece's BPE, "t5": its
                      // unigram, "bert": WordPiece
  std::string pre;    // pre-tokenizer, of "gpt2" only
  std::vector<std::string> tokens;  // spelled bytes (gpt2), or with U+2581 for spaces (llama)
  std::vector<float> scores;        // llama: higher is merged first
  std::vector<std::int32_t> types;  // token_type; empty: all normal
  std::vector<std::string> merges;  // gpt2: "left right"
  std::optional<std::int32_t> bos, eos, unknown;
  std::optional<bool> add_bos, add_eos;
  std::optional<bool> add_space_prefix;        // llama and t5
  std::optional<bool> remove_extra_spaces;     // t5
  std::string charsmap;                        // t5: precompiled_charsmap
  std::optional<std::int32_t> cls, separator;  // bert
};

// The vocabulary that gives this tokenizer, of a byte-level BPE or SentencePiece's. Tokens that are
// missing are named [PADn]; a normal form NFC, and how added tokens treat what stands beside them,
// have no place in it. Fails where another step has none, and where no pre-tokenizer that GGUF
// files name has the same patterns.
Result<GgufVocabulary> gguf_vocabulary_of(const Tokenizer& tokenizer, std::string_view where);

// Tokens that nothing yields, until there are `count`: a file names as many as the embedding has
// rows.
void add_unused_tokens(std::size_t count, GgufVocabulary& vocabulary);

// Fails on a model or pre-tokenizer that is not known (the error lists those that are) and on lists
// that do not fit together.
Result<Tokenizer> tokenizer_from_gguf(const GgufVocabulary& vocabulary,
                                      std::string_view where = "GGUF");

}  // namespace farthing
