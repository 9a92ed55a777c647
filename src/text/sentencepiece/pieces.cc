// SentencePiece's BPE and unigram as specifications.
#include "text/sentencepiece/pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/models/scored_merges.h"
#include "text/models/unigram.h"

namespace farthing::tokenizer {
namespace {

constexpr char kSpace[] = "\xE2\x96\x81";  // U+2581

// Above any token that has a probability. Source: SentencePiece's EncodeOptimized, whose largest
// score begins at the smallest positive float and stays there.
constexpr double kUserDefinedScore = -0.1;

void set_stages(const SentencePieces& pieces, Spec* spec) {
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < pieces.types.size(); ++i) {
    if (pieces.types[i] != kUserDefined) continue;
    spec->whole.push_back(static_cast<std::int32_t>(i));
    kept.push_back(spec->tokens[i]);
  }
  if (!pieces.charsmap.empty())
    spec->normalizers.emplace_back(
        Precompiled{pieces.charsmap, /*longest_match=*/true, std::move(kept)});
  if (pieces.charsmap.empty() && !pieces.remove_extra_spaces) {
    // What Hugging Face makes of Llama's file, step by step, so that a tokenizer.json can say it.
    if (pieces.add_prefix) spec->normalizers.emplace_back(Prepend{kSpace});
    spec->normalizers.emplace_back(Replace{{.text = " "}, kSpace});
  } else {
    spec->normalizers.emplace_back(
        SentencePieceSpaces{pieces.add_prefix, pieces.remove_extra_spaces});
  }
  spec->decoders = {Replace{{.text = kSpace}, " "}, ByteFallback{}, Fuse{}};
  if (pieces.add_prefix) spec->decoders.emplace_back(Strip{" ", 1});
  spec->fuse_unknown = true;
}

}  // namespace

Result<void> fill_bpe(const SentencePieces& pieces, std::string_view where, Spec* spec) {
  std::vector<bool> mergeable(spec->tokens.size());
  for (std::size_t i = 0; i < mergeable.size(); ++i) {
    // Text must never become a control token by merging, nor a byte token.
    const std::int32_t type = pieces.type_of(i);
    mergeable[i] = type == kNormal || type == kUnused;
  }
  spec->kind = "BPE";
  spec->merges = TRY(merges_by_score(spec->tokens, pieces.scores, mergeable, where));
  spec->byte_fallback = true;
  set_stages(pieces, spec);
  return {};
}

Result<void> fill_unigram(const SentencePieces& pieces, std::string_view where, Spec* spec) {
  TRY(check_scores(spec->tokens, pieces.scores, where));
  UnigramScores model;
  double lowest = 0;
  for (std::size_t i = 0; i < spec->tokens.size(); ++i) {
    const std::int32_t type = pieces.type_of(i);
    const double score = pieces.scores[i];
    model.scores.push_back(type == kUserDefined ? kUserDefinedScore : score);
    model.usable.push_back(type == kNormal || type == kUserDefined);
    if (type == kNormal) lowest = std::min(lowest, score);
    spec->byte_fallback = spec->byte_fallback || type == kByte;
  }
  model.unknown_score = static_cast<float>(lowest - kUnknownPenalty);
  model.add_in_f32 = true;
  spec->kind = "Unigram";
  spec->model = std::move(model);
  set_stages(pieces, spec);
  return {};
}

void add_special_tokens(const std::vector<std::int32_t>& types, Spec* spec) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    if ((types[i] != kControl && types[i] != kUnknown) || spec->tokens[i].empty()) continue;
    spec->added.push_back(
        {.id = static_cast<std::int32_t>(i), .content = spec->tokens[i], .special = true});
  }
}

}  // namespace farthing::tokenizer
