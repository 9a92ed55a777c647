// Byte-level BPE from GGUF (tokenizer.ggml.model is "gpt2").
#include <fmt/format.h>

#include "text/gguf/kinds.h"
#include "text/models/ranked_merges.h"

namespace farthing::tokenizer {
Result<void> fill_byte_level(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec) {
  const PreTokenizerRecipe& recipe = *TRY(gguf_pre_tokenizer(vocabulary.pre, where));
  RankedMerges merges(spec->tokens);
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    if (!merges.add(vocabulary.merges[rank]))
      return gguf_misfit(where, fmt::format("merges[{}]", rank),
                         fmt::format("\"{}\"", vocabulary.merges[rank].substr(0, 100)),
                         "two tokens with a space between, which joined are a token too");
  }
  spec->merges = merges.take();
  spec->ignore_merges = recipe.ignore_merges;
  for (const std::string& pattern : recipe.patterns) {
    spec->pre_tokenizers.emplace_back(Split{.pattern = {pattern, true}});
  }
  spec->pre_tokenizers.emplace_back(ByteLevel{.use_regex = recipe.gpt2_pattern_last});
  spec->decoders = {ByteLevel{}};
  if (vocabulary.bos && vocabulary.add_bos.value_or(recipe.add_bos))
    spec->prefix = {*vocabulary.bos};
  return {};
}

}  // namespace farthing::tokenizer
