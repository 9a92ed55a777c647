// Planning of runs that share beginnings.
#include "eval/tasks/shared_runs.h"

#include <algorithm>

#include "base/check.h"

namespace farthing {

std::vector<SharedRun> plan_shared_runs(std::span<const ScoredTokens> sequences) {
  std::vector<SharedRun> runs;
  std::vector<size_t> made_by;  // of each position that the cache holds: the run
  std::span<const int32_t> held;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const ScoredTokens& sequence = sequences[s];
    CHECK(sequence.scored > 0 && sequence.scored < sequence.size());
    // The last token is scored, not run.
    const auto read = std::span(sequence.tokens).first(sequence.tokens.size() - 1);
    const auto same = std::mismatch(read.begin(), read.end(), held.begin(), held.end()).first;
    const auto first = static_cast<size_t>(same - read.begin());
    if (first < read.size()) {
      made_by.resize(first);
      made_by.resize(read.size(), runs.size());
      runs.push_back({static_cast<int64_t>(s),
                      static_cast<int64_t>(first),
                      static_cast<int64_t>(read.size()),
                      {}});
      held = read;
    }
    for (int64_t i = 0; i < sequence.scored; ++i) {
      const int64_t position = sequence.size() - sequence.scored + i - 1;
      runs[made_by[static_cast<size_t>(position)]].scored.push_back(
          {position, sequence.tokens[static_cast<size_t>(position + 1)], static_cast<int64_t>(s),
           i});
    }
  }
  for (SharedRun& run : runs)
    std::stable_sort(run.scored.begin(), run.scored.end(),
                     [](const auto& a, const auto& b) { return a.position < b.position; });
  return runs;
}

}  // namespace farthing
