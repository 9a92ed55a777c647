// Which tokens of several sequences that begin alike must be run, and which of their logits are
// wanted, so that no position is run twice in a row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/tasks/tokenized_choice.h"

namespace farthing {

// The logits behind `position` score a token.
struct ScoredPosition {
  int64_t position;
  int32_t token;
  int64_t sequence, index;  // the index-th scored token of that sequence
};

// Tokens [first, end) of a sequence, in a cache that is cut back to `first` positions before.
struct SharedRun {
  int64_t sequence, first, end;
  std::vector<ScoredPosition> scored;  // ascending by position
};

// The sequences run one after another in one cache: each keeps what it has in common with the one
// before. A row of logits is asked for in the run that makes it, for every sequence that reads it:
// the last token of a question is run once, and scores the first token of every answer.
std::vector<SharedRun> plan_shared_runs(std::span<const ScoredTokens> sequences);

}  // namespace farthing
