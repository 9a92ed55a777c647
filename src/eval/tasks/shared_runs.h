// Which tokens of many sequences that begin alike must be run, and which of their logits are
// wanted, so that no beginning is run twice.
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

// Tokens [first, end) of a sequence. They go on behind the first `first` positions of what the run
// `parent` left in its cache; -1: behind nothing.
struct SharedRun {
  int64_t parent, sequence, first, end;
  std::vector<ScoredPosition> scored;  // ascending by position
};

// In lexicographic order, a text before its own beginnings, each sequence has its longest common
// beginning with the one before it, so it needs a run for the rest alone: as many tokens are run as
// a prefix tree of the sequences has. A run comes after its parent. A row of logits is asked for in
// the run that makes it, for every sequence that reads it: the last token of a question is run
// once, and scores the first token of every answer.
std::vector<SharedRun> plan_shared_runs(std::span<const ScoredTokens* const> sequences);

}  // namespace farthing
