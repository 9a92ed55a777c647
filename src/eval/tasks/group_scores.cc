// Scores by group.
#include "eval/tasks/group_scores.h"

#include "base/check.h"

namespace farthing {

GroupScores::GroupScores(std::span<const ScoredGroup> groups) {
  for (const ScoredGroup& group : groups) {
    CHECK(!group.empty());
    groups_.push_back({sequences_.size(), sequences_.size() + group.size(), 0});
    for (const ScoredTokens& answer : group) {
      sequences_.push_back(&answer);
      group_of_.push_back(groups_.size() - 1);
      nll_.emplace_back(static_cast<size_t>(answer.scored));
      groups_.back().missing += answer.scored;
    }
  }
}

std::optional<GroupSums> GroupScores::keep(int64_t sequence, int64_t index, double nll) {
  const auto s = static_cast<size_t>(sequence);
  nll_[s][static_cast<size_t>(index)] = nll;
  Group& group = groups_[group_of_[s]];
  CHECK(group.missing > 0);
  if (--group.missing > 0) return std::nullopt;
  GroupSums out{static_cast<int64_t>(group_of_[s]), {}};
  for (size_t i = group.begin; i < group.end; ++i) {
    double sum = 0;
    for (const double one : nll_[i]) sum -= one;
    out.sums.push_back(sum);
  }
  return out;
}

}  // namespace farthing
