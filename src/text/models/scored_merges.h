// The merges of SentencePiece's BPE, whose files hold a score for each token instead of merges.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/pipeline/spec.h"

namespace farthing::tokenizer {

// SentencePiece merges the neighbours whose joined text is the token of the highest score. The same
// as merges by rank: every way to cut a token in two tokens is a merge, whose rank is the token's
// place by score. Differs where a token holds a character that is no token itself: SentencePiece's
// trainer makes none. `mergeable`: the tokens that may take part. Fails as check_scores does, and
// on tokens of more than 4096 bytes.
Result<std::vector<Merge>> merges_by_score(const std::vector<std::string>& tokens,
                                           std::span<const float> scores,
                                           const std::vector<bool>& mergeable,
                                           std::string_view where);

// Fails unless there is one finite score for each token; `where` and the list's name name them.
Result<void> check_scores(const std::vector<std::string>& tokens, std::span<const float> scores,
                          std::string_view where);

}  // namespace farthing::tokenizer
