// SentencePiece's BPE ("llama") and unigram ("t5") from GGUF.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/gguf/kinds.h"
#include "text/models/scored_merges.h"
#include "text/models/unigram.h"

namespace farthing::tokenizer {
namespace {

constexpr char kSpace[] = "\xE2\x96\x81";  // U+2581

}  // namespace

Result<void> fill_sentencepiece(const GgufVocabulary& vocabulary, std::string_view where,
                                Spec* spec) {
  std::vector<bool> mergeable(vocabulary.tokens.size());
  for (std::size_t i = 0; i < mergeable.size(); ++i) {
    // Text must never become a control token by merging, nor a byte token.
    const std::int32_t type = type_of(vocabulary, i);
    mergeable[i] = type != kControl && type != kUnknown && type != kByte;
  }
  spec->merges = TRY(merges_by_score(vocabulary.tokens, vocabulary.scores, mergeable,
                                     fmt::format("{}, tokenizer.ggml.", where)));
  spec->unknown = vocabulary.unknown;
  spec->byte_fallback = true;
  spec->fuse_unknown = true;
  const bool prefixed = vocabulary.add_space_prefix.value_or(true);
  if (prefixed) spec->normalizers.emplace_back(Prepend{kSpace});
  spec->normalizers.emplace_back(Replace{{.text = " "}, kSpace});
  spec->decoders = {Replace{{.text = kSpace}, " "}, ByteFallback{}, Fuse{}};
  if (prefixed) spec->decoders.emplace_back(Strip{" ", 1});
  if (vocabulary.bos && vocabulary.add_bos.value_or(true)) spec->prefix = {*vocabulary.bos};
  return {};
}

Result<void> fill_unigram(const GgufVocabulary& vocabulary, std::string_view where, Spec* spec) {
  const std::size_t count = vocabulary.tokens.size();
  if (vocabulary.scores.size() != count) {
    return gguf_misfit(where, "scores", fmt::format("{} scores", vocabulary.scores.size()),
                       fmt::format("one for each of {} tokens", count));
  }
  UnigramScores model;
  double lowest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t type = type_of(vocabulary, i);
    const double score = vocabulary.scores[i];
    if (!std::isfinite(score)) {
      return gguf_misfit(where, fmt::format("scores[{}]", i), fmt::format("{}", score),
                         "a finite number");
    }
    model.scores.push_back(type == kUserDefined ? 0 : score);
    model.usable.push_back(type == kNormal || type == kUserDefined);
    if (type == kNormal) lowest = std::min(lowest, score);
    spec->byte_fallback = spec->byte_fallback || type == kByte;
  }
  model.unknown_score = lowest - kUnknownPenalty;
  spec->kind = "Unigram";
  spec->model = std::move(model);
  spec->unknown = vocabulary.unknown;
  spec->fuse_unknown = true;
  if (!vocabulary.charsmap.empty()) {
    spec->normalizers.emplace_back(Precompiled{vocabulary.charsmap, /*longest_match=*/true});
  }
  const bool prefixed = vocabulary.add_space_prefix.value_or(true);
  spec->normalizers.emplace_back(
      SentencePieceSpaces{prefixed, vocabulary.remove_extra_spaces.value_or(false)});
  spec->decoders = {Replace{{.text = kSpace}, " "}, ByteFallback{}, Fuse{}};
  if (prefixed) spec->decoders.emplace_back(Strip{" ", 1});
  if (vocabulary.bos && vocabulary.add_bos.value_or(false)) spec->prefix = {*vocabulary.bos};
  if (vocabulary.eos && vocabulary.add_eos.value_or(true)) spec->suffix = {*vocabulary.eos};
  return {};
}

}  // namespace farthing::tokenizer
