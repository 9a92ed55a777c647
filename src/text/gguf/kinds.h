// The kinds of vocabularies in GGUF files (tokenizer.ggml.model), each as a tokenizer
// specification.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/pipeline/spec.h"
#include "text/tokenizer_gguf.h"

namespace farthing::tokenizer {

tl::unexpected<Error> gguf_misfit(std::string_view where, std::string_view field, std::string got,
                                  std::string wanted);

// Fill `spec`, whose tokens are set: merges or scores, the stages, and what stands around a text.
Result<void> fill_byte_level(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec);
Result<void> fill_gguf_bpe(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec);
Result<void> fill_gguf_unigram(const GgufVocabulary& vocabulary, std::string_view where,
                               Spec* spec);
Result<void> fill_bert(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec);

// How the pre-tokenizer of a byte-level vocabulary (tokenizer.ggml.pre) splits a text: by patterns,
// one after another.
struct PreTokenizerRecipe {
  std::vector<std::string_view> names;
  std::vector<std::string> patterns;  // before the last step
  bool gpt2_pattern_last = true;      // the last step splits by GPT-2's pattern
  bool ignore_merges = false;
  bool add_bos = false;
};
// Fails on a name that is not known, with those that are.
Result<const PreTokenizerRecipe*> gguf_pre_tokenizer(std::string_view name, std::string_view where);
// The first name of the recipe that splits by these patterns, the last step's among them; empty
// where there is none.
std::string gguf_pre_tokenizer_name(const std::vector<std::string>& patterns, bool ignore_merges);
std::string known_gguf_pre_tokenizers();

}  // namespace farthing::tokenizer
