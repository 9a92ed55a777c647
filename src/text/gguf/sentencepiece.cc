// SentencePiece's BPE ("llama") and unigram ("t5") from GGUF.
#include <fmt/format.h>

#include "text/gguf/kinds.h"
#include "text/sentencepiece/pieces.h"

namespace farthing::tokenizer {
namespace {

std::string lists_of(std::string_view where) { return fmt::format("{}, tokenizer.ggml.", where); }

}  // namespace

Result<void> fill_gguf_bpe(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec) {
  spec->unknown = vocabulary.unknown;
  // As in llama.cpp, the file's character map is for unigram alone.
  TRY(fill_bpe({.scores = vocabulary.scores,
                .types = vocabulary.types,
                .charsmap = {},
                .add_prefix = vocabulary.add_space_prefix.value_or(true)},
               lists_of(where), spec));
  if (vocabulary.bos && vocabulary.add_bos.value_or(true)) spec->prefix = {*vocabulary.bos};
  return {};
}

Result<void> fill_gguf_unigram(const GgufVocabulary& vocabulary, std::string_view where,
                               Spec* spec) {
  spec->unknown = vocabulary.unknown;
  TRY(fill_unigram({.scores = vocabulary.scores,
                    .types = vocabulary.types,
                    .charsmap = vocabulary.charsmap,
                    .add_prefix = vocabulary.add_space_prefix.value_or(true),
                    .remove_extra_spaces = vocabulary.remove_extra_spaces.value_or(false)},
                   lists_of(where), spec));
  if (vocabulary.bos && vocabulary.add_bos.value_or(false)) spec->prefix = {*vocabulary.bos};
  if (vocabulary.eos && vocabulary.add_eos.value_or(true)) spec->suffix = {*vocabulary.eos};
  return {};
}

}  // namespace farthing::tokenizer
