// Which positions are run, and whose tokens their logits score.
#include "eval/tasks/shared_runs.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.h"

namespace farthing {
namespace {

using Sequences = std::vector<ScoredTokens>;

std::vector<SharedRun> planned(const Sequences& sequences) {
  std::vector<const ScoredTokens*> pointers;
  for (const ScoredTokens& sequence : sequences) pointers.push_back(&sequence);
  return plan_shared_runs(pointers);
}

int64_t tokens_run(const Sequences& sequences) {
  int64_t out = 0;
  for (const SharedRun& run : planned(sequences)) out += run.end - run.first;
  return out;
}

TEST(SharedRuns, TheQuestionIsRunOnceAndLastTokensAreNot) {
  // Question 1 2 3 4; answers of two, one and three tokens: 4 + 1 + 0 + 2.
  EXPECT_EQ(
      tokens_run({{{1, 2, 3, 4, 10, 11}, 2}, {{1, 2, 3, 4, 20}, 1}, {{1, 2, 3, 4, 30, 31, 32}, 3}}),
      7);
}

TEST(SharedRuns, OneTokenAnswersNeedOneRun) {
  const Sequences sequences{{{1, 2, 3, 10}, 1}, {{1, 2, 3, 20}, 1}};
  const auto runs = planned(sequences);
  ASSERT_EQ(runs.size(), 1u);
  ASSERT_EQ(runs[0].scored.size(), 2u);
  for (int64_t i = 0; i < 2; ++i) {
    const ScoredPosition& s = runs[0].scored[static_cast<size_t>(i)];
    EXPECT_EQ(s.position, 2);
    EXPECT_EQ(s.sequence, i);
    EXPECT_EQ(s.token, 10 * (i + 1));
  }
}

TEST(SharedRuns, WhatTwoAnswersBeginWithIsRunOnce) {
  EXPECT_EQ(tokens_run({{{1, 2, 10, 11, 12, 5}, 4}, {{1, 2, 10, 11, 13, 5}, 4}}), 5 + 1);
}

TEST(SharedRuns, ContextsThatDifferAreRunFromThere) {
  EXPECT_EQ(tokens_run({{{1, 2, 3, 7, 8}, 2}, {{1, 2, 4, 7, 8}, 2}}), 4 + 2);
}

TEST(SharedRuns, BeginningsAreSharedWhereverTheyStand) {
  // 1 2 and 1 2 3 are beginnings of others: 4 + (7 8) + (4: 9) + 0.
  EXPECT_EQ(tokens_run({{{1, 2, 3, 5, 6}, 1},
                        {{7, 8, 9}, 1},
                        {{1, 2, 3, 4, 9}, 1},
                        {{7, 8, 6}, 1},
                        {{1, 2, 6}, 1}}),
            4 + 2 + 1);
}

TEST(SharedRuns, ATextComesBeforeItsOwnBeginningsSoThatOneRunMakesBoth) {
  EXPECT_EQ(planned({{{1, 2, 9}, 1}, {{1, 2, 3, 4, 9}, 1}, {{1, 9}, 1}}).size(), 1u);
}

// As many tokens are run as a prefix tree has, whatever the order; and played on caches that begin
// as the parent's, every token is scored exactly once, behind exactly its own predecessors.
TEST(SharedRuns, EveryTokenIsScoredBehindItsOwnPredecessors) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const auto random = [&](uint64_t stream, uint64_t index, uint64_t below) {
      return static_cast<int64_t>(random_bits(seed, stream, index) % below);
    };
    Sequences sequences(static_cast<size_t>(1 + random(0, 0, 5)));
    for (size_t s = 0; s < sequences.size(); ++s) {
      const int64_t size = 2 + random(1, s, 7);
      for (int64_t i = 0; i < size; ++i)  // two tokens: many beginnings are the same
        sequences[s].tokens.push_back(
            static_cast<int32_t>(random(2 + s, static_cast<uint64_t>(i), 2)));
      sequences[s].scored = 1 + random(1, 100 + s, static_cast<uint64_t>(size - 1));
    }
    std::vector<std::vector<int32_t>> caches;
    std::map<std::pair<int64_t, int64_t>, int> times;
    int64_t tokens_run = 0;
    for (const SharedRun& run : planned(sequences)) {
      ASSERT_LT(run.parent, static_cast<int64_t>(caches.size()));
      ASSERT_LT(run.first, run.end);
      ASSERT_EQ(run.parent < 0, run.first == 0);
      if (run.parent >= 0) {
        caches.push_back(caches[static_cast<size_t>(run.parent)]);
        ASSERT_LE(run.first, static_cast<int64_t>(caches.back().size()));
      } else {
        caches.emplace_back();
      }
      std::vector<int32_t>& cache = caches.back();
      cache.resize(static_cast<size_t>(run.first));
      const auto& tokens = sequences[static_cast<size_t>(run.sequence)].tokens;
      cache.insert(cache.end(), tokens.begin() + run.first, tokens.begin() + run.end);
      tokens_run += run.end - run.first;
      for (const ScoredPosition& s : run.scored) {
        ASSERT_GE(s.position, run.first);
        ASSERT_LT(s.position, run.end);
        const ScoredTokens& of = sequences[static_cast<size_t>(s.sequence)];
        ASSERT_EQ(s.position + 1, of.size() - of.scored + s.index);
        ASSERT_EQ(s.token, of.tokens[static_cast<size_t>(s.position + 1)]);
        ASSERT_TRUE(std::equal(cache.begin(), cache.begin() + s.position + 1, of.tokens.begin()))
            << seed;
        ++times[{s.sequence, s.index}];
      }
    }
    std::set<std::vector<int32_t>> beginnings;
    for (const ScoredTokens& of : sequences)
      for (auto end = of.tokens.begin() + 1; end != of.tokens.end(); ++end)
        beginnings.insert({of.tokens.begin(), end});
    ASSERT_EQ(tokens_run, static_cast<int64_t>(beginnings.size())) << seed;
    int64_t scored = 0;
    for (const ScoredTokens& of : sequences) scored += of.scored;
    ASSERT_EQ(static_cast<int64_t>(times.size()), scored) << seed;
    for (const auto& [which, count] : times) ASSERT_EQ(count, 1) << seed;
  }
}

}  // namespace
}  // namespace farthing
