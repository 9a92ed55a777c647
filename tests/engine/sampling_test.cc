// The distribution that tokens are drawn from, against exact expectations, and the draws.
#include "engine/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.h"

namespace farthing {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

// exp, its argument's rounding (half an ULP of a logit below 8: 2^-22) and two divisions: within 4
// * 2^-22 of a probability of at most 1.
constexpr double probability_error = 0x1p-20;

Context& context() {
  static ContextOwner owner(1, supported_isas().back());
  return owner.get();
}

std::vector<float> logits_of(std::vector<double> probabilities) {
  std::vector<float> out;
  for (const double p : probabilities) out.push_back(static_cast<float>(std::log(p)));
  return out;
}

void expect_distribution(const Result<std::vector<Candidate>>& got,
                         const std::vector<std::pair<int32_t, double>>& wanted) {
  ASSERT_TRUE(got) << got.error().text();
  ASSERT_EQ(got->size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ((*got)[i].token, wanted[i].first);
    EXPECT_NEAR((*got)[i].probability, wanted[i].second, probability_error);
  }
}

const std::vector<float> halves = logits_of({0.25, 0.125, 0.5, 0.125});

TEST(Sampling, TheDefaultsAreTheModelsOwnDistribution) {
  const auto got = next_token_distribution(context(), halves, {}, {});
  expect_distribution(got, {{0, 0.25}, {1, 0.125}, {2, 0.5}, {3, 0.125}});
}

TEST(Sampling, TemperatureZeroIsTheLowestOfTheMostProbableTokens) {
  const std::vector<float> logits{1, 3, 2, 3};
  expect_distribution(next_token_distribution(context(), logits, {}, {.temperature = 0}),
                      {{1, 1.0}});
}

TEST(Sampling, TemperatureDividesTheLogits) {
  // p^(1/2), normalized: 0.5, sqrt(0.125), sqrt(0.5), sqrt(0.125)
  const double sum = 0.5 + 2 * std::sqrt(0.125) + std::sqrt(0.5);
  expect_distribution(next_token_distribution(context(), halves, {}, {.temperature = 2}),
                      {{0, 0.5 / sum},
                       {1, std::sqrt(0.125) / sum},
                       {2, std::sqrt(0.5) / sum},
                       {3, std::sqrt(0.125) / sum}});
}

TEST(Sampling, ATinyTemperatureDoesNotOverflow) {
  expect_distribution(next_token_distribution(context(), halves, {}, {.temperature = 1e-30f}),
                      {{2, 1.0}});
}

TEST(Sampling, TopKKeepsTheLowerIdOnTies) {
  expect_distribution(next_token_distribution(context(), halves, {}, {.top_k = 3}),
                      {{2, 0.5 / 0.875}, {0, 0.25 / 0.875}, {1, 0.125 / 0.875}});
}

TEST(Sampling, TopKBeyondTheVocabularyKeepsAll) {
  const auto got = next_token_distribution(context(), halves, {}, {.top_k = 1000});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size(), 4u);
}

TEST(Sampling, TopPKeepsTheFewestTokensThatReachIt) {
  expect_distribution(next_token_distribution(context(), halves, {}, {.top_p = 0.7f}),
                      {{2, 0.5 / 0.75}, {0, 0.25 / 0.75}});
  expect_distribution(next_token_distribution(context(), halves, {}, {.top_p = 0.8f}),
                      {{2, 0.5 / 0.875}, {0, 0.25 / 0.875}, {1, 0.125 / 0.875}});
  expect_distribution(next_token_distribution(context(), halves, {}, {.top_p = 1e-6f}), {{2, 1.0}});
}

TEST(Sampling, TopPCountsTheMassThatTopKLeft) {
  // After top-k 2 the best token has 2/3 of the mass: 0.6 is reached by it alone, although it has
  // only 0.5 of all.
  expect_distribution(next_token_distribution(context(), halves, {}, {.top_k = 2, .top_p = 0.6f}),
                      {{2, 1.0}});
}

TEST(Sampling, TopPComesAfterTheTemperature) {
  // At temperature 2 the best token has 0.37 of the mass, so 0.45 needs two tokens; at 1 it has
  // 0.5.
  const auto hot =
      next_token_distribution(context(), halves, {}, {.temperature = 2, .top_p = 0.45f});
  const auto cold = next_token_distribution(context(), halves, {}, {.top_p = 0.45f});
  ASSERT_TRUE(hot && cold);
  EXPECT_EQ(hot->size(), 2u);
  EXPECT_EQ(cold->size(), 1u);
}

TEST(Sampling, MinPIsRelativeToTheMostProbableToken) {
  // 0.25 / 0.5 = 0.5 and 0.125 / 0.5 = 0.25.
  expect_distribution(next_token_distribution(context(), halves, {}, {.min_p = 0.4f}),
                      {{0, 0.25 / 0.75}, {2, 0.5 / 0.75}});
  expect_distribution(next_token_distribution(context(), halves, {}, {.min_p = 0.6f}), {{2, 1.0}});
}

TEST(Sampling, TopPOfALongTailIsThatOfAFullSort) {
  std::vector<float> logits;
  for (uint64_t i = 0; i < 5000; ++i) logits.push_back(2 * random_normal(1, 0, i));
  const auto all = next_token_distribution(context(), logits, {}, {});
  ASSERT_TRUE(all);
  std::vector<Candidate> sorted = *all;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Candidate& a, const Candidate& b) {
    return a.probability > b.probability;
  });
  for (const float share : {0.1f, 0.5f, 0.9f, 0.99f}) {
    size_t wanted = 0;
    for (double reached = 0; reached < share; ++wanted) reached += sorted[wanted].probability;
    const auto got = next_token_distribution(context(), logits, {}, {.top_p = share});
    ASSERT_TRUE(got);
    ASSERT_EQ(got->size(), wanted) << share;
    for (size_t i = 0; i < wanted; ++i) EXPECT_EQ((*got)[i].token, sorted[i].token);
  }
}

TEST(Sampling, ThePenaltyDividesPositiveAndMultipliesNegativeLogitsOnce) {
  const std::vector<float> logits{2, -2, 1, 0};
  const std::vector<int32_t> history{0, 1, 0, 1, 3};
  const auto penalized =
      next_token_distribution(context(), logits, history, {.repetition_penalty = 2});
  const std::vector<float> expected{1, -4, 1, 0};
  const auto wanted = next_token_distribution(context(), expected, {}, {});
  ASSERT_TRUE(penalized && wanted);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ((*penalized)[i].probability, (*wanted)[i].probability);
}

TEST(Sampling, ThePenaltyLooksBackItsWindow) {
  const std::vector<float> logits{2, 2, 2};
  const std::vector<int32_t> history{0, 1, 2};
  const auto best = [&](int64_t window) {
    return next_token_distribution(
               context(), logits, history,
               {.temperature = 0, .repetition_penalty = 2, .repetition_window = window})
        ->front()
        .token;
  };
  EXPECT_EQ(best(0), 0);   // nothing is penalized
  EXPECT_EQ(best(1), 0);   // token 2
  EXPECT_EQ(best(2), 0);   // tokens 1 and 2
  EXPECT_EQ(best(-1), 0);  // all alike
  const std::vector<int32_t> reversed{2, 1, 0};
  EXPECT_EQ(
      next_token_distribution(context(), logits, reversed,
                              {.temperature = 0, .repetition_penalty = 2, .repetition_window = 2})
          ->front()
          .token,
      2);
}

TEST(Sampling, MaskedTokensAreNeverCandidates) {
  const std::vector<float> logits{0, -infinity, 0};
  expect_distribution(next_token_distribution(context(), logits, {}, {}), {{0, 0.5}, {2, 0.5}});
}

TEST(Sampling, NanIsAnErrorThatSaysSo) {
  const std::vector<float> logits{0, nan, 0};
  for (const float temperature : {0.0f, 1.0f}) {
    const auto got = sample(context(), logits, {}, {.temperature = temperature}, 0, 0);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().got, "1 NaN among 3 logits");
  }
}

TEST(Sampling, LogitsWithoutAFiniteMaximumAreAnError) {
  EXPECT_FALSE(sample(context(), std::vector<float>{-infinity, -infinity}, {}, {}, 0, 0));
  EXPECT_FALSE(sample(context(), std::vector<float>{0, infinity}, {}, {}, 0, 0));
}

TEST(Sampling, TheLogProbabilityIsTheModelsOwn) {
  const auto got = sample(context(), halves, {}, {.temperature = 0, .top_k = 1}, 0, 0);
  ASSERT_TRUE(got) << got.error().text();
  EXPECT_EQ(got->id, 2);
  EXPECT_NEAR(got->log_probability, std::log(0.5),
              0x1p-20);  // not 0, the logarithm after truncation
}

TEST(Sampling, FrequenciesAreTheProbabilities) {
  constexpr int draws = 20000;
  std::vector<int> count(4, 0);
  for (uint64_t i = 0; i < draws; ++i) {
    const auto got = sample(context(), halves, {}, {.seed = 5}, 3, i);
    ASSERT_TRUE(got);
    ++count[static_cast<size_t>(got->id)];
  }
  const double probabilities[] = {0.25, 0.125, 0.5, 0.125};
  for (size_t i = 0; i < 4; ++i) {
    // Five standard deviations of a binomial count.
    const double deviation = std::sqrt(draws * probabilities[i] * (1 - probabilities[i]));
    EXPECT_NEAR(count[i], draws * probabilities[i], 5 * deviation);
  }
}

TEST(Sampling, ADrawIsAFunctionOfSeedStreamAndIndex) {
  const auto text = [](uint64_t seed, uint64_t stream) {
    std::vector<int32_t> out;
    for (uint64_t i = 0; i < 64; ++i)
      out.push_back(sample(context(), halves, {}, {.seed = seed}, stream, i)->id);
    return out;
  };
  EXPECT_EQ(text(1, 2), text(1, 2));
  EXPECT_NE(text(1, 2), text(1, 3));
  EXPECT_NE(text(1, 2), text(2, 2));
}

TEST(Sampling, EveryInstructionSetAndThreadCountDrawsTheSame) {
  std::vector<float> logits;
  for (uint64_t i = 0; i < 3000; ++i) logits.push_back(3 * random_normal(2, 0, i));
  const SamplingParameters parameters{
      .temperature = 0.9f, .top_k = 500, .top_p = 0.95f, .min_p = 0.01f};
  const auto wanted = sample(context(), logits, {}, parameters, 0, 0);
  for (const Isa isa : supported_isas()) {
    for (const int threads : {1, 3}) {
      ContextOwner owner(threads, isa);
      for (uint64_t i = 0; i < 50; ++i) {
        const auto a = sample(owner.get(), logits, {}, parameters, 0, i);
        const auto b = sample(context(), logits, {}, parameters, 0, i);
        ASSERT_TRUE(a && b);
        EXPECT_EQ(a->id, b->id);
        EXPECT_EQ(a->log_probability, b->log_probability);
      }
    }
  }
}

TEST(CheckSampling, RefusesWhatIsOutsideTheRange) {
  EXPECT_TRUE(check_sampling({}));
  EXPECT_FALSE(check_sampling({.temperature = -1}));
  EXPECT_FALSE(check_sampling({.temperature = nan}));
  EXPECT_FALSE(check_sampling({.top_k = -1}));
  EXPECT_FALSE(check_sampling({.top_p = 0}));
  EXPECT_FALSE(check_sampling({.top_p = 1.5f}));
  EXPECT_FALSE(check_sampling({.min_p = 2}));
  EXPECT_FALSE(check_sampling({.repetition_penalty = 0}));
  EXPECT_FALSE(check_sampling({.repetition_window = -2}));
}

}  // namespace
}  // namespace farthing
