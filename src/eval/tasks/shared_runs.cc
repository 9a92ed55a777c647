// Planning of runs that share beginnings.
#include "eval/tasks/shared_runs.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace farthing {
namespace {

// The last token is scored, not run.
std::span<const int32_t> read_tokens(const ScoredTokens& sequence) {
  return std::span(sequence.tokens).first(sequence.tokens.size() - 1);
}

// Lexicographic, the end of a text behind every token.
bool comes_before(std::span<const int32_t> a, std::span<const int32_t> b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return x != a.end() && (y == b.end() || *x < *y);
}

}  // namespace

std::vector<SharedRun> plan_shared_runs(std::span<const ScoredTokens* const> sequences) {
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return comes_before(read_tokens(*sequences[a]), read_tokens(*sequences[b]));
  });
  std::vector<SharedRun> runs;
  std::vector<int64_t> made_by;  // of each position of the sequence before: the run
  std::span<const int32_t> before;
  for (const size_t s : order) {
    const ScoredTokens& sequence = *sequences[s];
    CHECK(sequence.scored > 0 && sequence.scored < sequence.size());
    const auto read = read_tokens(sequence);
    const auto same = std::mismatch(read.begin(), read.end(), before.begin(), before.end()).first;
    const auto first = static_cast<size_t>(same - read.begin());
    made_by.resize(first);
    if (first < read.size()) {
      const int64_t parent = first > 0 ? made_by[first - 1] : -1;
      made_by.resize(read.size(), static_cast<int64_t>(runs.size()));
      runs.push_back({parent,
                      static_cast<int64_t>(s),
                      static_cast<int64_t>(first),
                      static_cast<int64_t>(read.size()),
                      {}});
    }
    before = read;
    for (int64_t i = 0; i < sequence.scored; ++i) {
      const int64_t position = sequence.size() - sequence.scored + i - 1;
      runs[static_cast<size_t>(made_by[static_cast<size_t>(position)])].scored.push_back(
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
