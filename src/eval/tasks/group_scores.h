// The groups' answers as one list of sequences, and the scores of their tokens as they come.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/tasks/tokenized_choice.h"

namespace farthing {

struct GroupSums {
  int64_t group;
  std::vector<double> sums;  // of log p, of each of its sequences; nats
};

class GroupScores {
 public:
  // No group is empty; the groups outlive this.
  explicit GroupScores(std::span<const ScoredGroup> groups);

  // Group after group.
  std::span<const ScoredTokens* const> sequences() const { return sequences_; }
  // -log p of the index-th scored token of a sequence, once for each. With the last one of a group
  // its sums, which are added in ascending order.
  std::optional<GroupSums> keep(int64_t sequence, int64_t index, double nll);

 private:
  struct Group {
    size_t begin, end;  // its sequences
    int64_t missing;    // tokens that have no score yet
  };
  std::vector<const ScoredTokens*> sequences_;
  std::vector<size_t> group_of_;          // of each sequence
  std::vector<std::vector<double>> nll_;  // of each sequence's scored tokens
  std::vector<Group> groups_;
};

}  // namespace farthing
