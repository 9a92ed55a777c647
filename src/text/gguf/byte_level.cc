// Byte-level BPE from GGUF (tokenizer.ggml.model is "gpt2").
#include <fmt/format.h>

#include <unordered_map>

#include "text/gguf/kinds.h"

namespace farthing::tokenizer {
namespace {

Result<std::vector<Merge>> merges_by_rank(const GgufVocabulary& vocabulary,
                                          std::string_view where) {
  std::unordered_map<std::string_view, std::int32_t> ids;
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    ids.emplace(vocabulary.tokens[i], static_cast<std::int32_t>(i));
  }
  std::vector<Merge> merges;
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view line = vocabulary.merges[rank];
    const std::size_t space = line.find(' ', 1);
    const bool split = space != std::string_view::npos && space + 1 < line.size();
    const auto left = ids.find(split ? line.substr(0, space) : std::string_view());
    const auto right = ids.find(split ? line.substr(space + 1) : std::string_view());
    const auto result = ids.find(
        split ? std::string(line.substr(0, space)).append(line.substr(space + 1)) : std::string());
    if (!split || left == ids.end() || right == ids.end() || result == ids.end()) {
      return gguf_misfit(where, fmt::format("merges[{}]", rank),
                         fmt::format("\"{}\"", line.substr(0, 100)),
                         "two tokens with a space between, which joined are a token too");
    }
    merges.push_back(
        {left->second, right->second, result->second, static_cast<std::uint32_t>(rank)});
  }
  return merges;
}

}  // namespace

Result<void> fill_byte_level(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec) {
  const PreTokenizerRecipe& recipe = *TRY(gguf_pre_tokenizer(vocabulary.pre, where));
  spec->merges = TRY(merges_by_rank(vocabulary, where));
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
