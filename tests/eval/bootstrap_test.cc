// Tests of the summary of scored windows and of its intervals.
#include "eval/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace farthing {
namespace {

// Tokens with normal NLL around 3 and KL = squared normal, and a part that all tokens of a window
// share.
ScoredWindows random_scores(int64_t windows, int64_t per_window, uint64_t seed) {
  ScoredWindows out{per_window, {}};
  for (int64_t w = 0; w < windows; ++w) {
    const float shared = random_normal(seed, 0, static_cast<uint64_t>(w));
    for (int64_t t = 0; t < per_window; ++t) {
      const auto index = static_cast<uint64_t>(w * per_window + t);
      const float a = random_normal(seed, 1, index), b = random_normal(seed, 2, index);
      const double nll = 3 + 0.3 * (a + shared);
      out.tokens.push_back({nll, nll, 0.01 * (b + shared) * (b + shared), b < 1});
    }
  }
  return out;
}

TEST(Bootstrap, ValuesAreThoseOfAllTokens) {
  const ScoredWindows scores = random_scores(8, 50, 1);
  double nll = 0, kl = 0, top1 = 0;
  std::vector<double> kls;
  for (const TokenScore& t : scores.tokens) {
    nll += t.nll;
    kl += t.kl;
    top1 += t.top1;
    kls.push_back(t.kl);
  }
  const Quality quality = summarize(scores);
  EXPECT_NEAR(quality.perplexity.value, std::exp(nll / 400), 1e-10);
  EXPECT_NEAR(quality.kl_mean.value, kl / 400, 1e-14);
  EXPECT_NEAR(quality.top1_agreement.value, top1 / 400, 1e-14);
  // numpy.percentile(kls, 99): position 0.99 * 399 = 395.01 of the sorted values.
  std::sort(kls.begin(), kls.end());
  EXPECT_NEAR(quality.kl_p99.value, kls[395] + 0.01 * (kls[396] - kls[395]), 1e-14);
  EXPECT_EQ(quality.perplexity_increase.value, 0);
}

TEST(Bootstrap, PercentileOfADrawCountsEveryCopy) {
  // With one window drawn from one, and with equal windows, every resample is the whole: no width.
  ScoredWindows scores = random_scores(1, 200, 1);
  const auto tokens = scores.tokens;
  for (int copy = 0; copy < 3; ++copy)
    scores.tokens.insert(scores.tokens.end(), tokens.begin(), tokens.end());
  const Quality quality = summarize(scores);
  EXPECT_EQ(quality.kl_p99.low, quality.kl_p99.value);
  EXPECT_EQ(quality.kl_p99.high, quality.kl_p99.value);
  EXPECT_NEAR(quality.kl_mean.low, quality.kl_mean.high, 1e-15);
}

TEST(Bootstrap, IsTheSameEveryTime) {
  const ScoredWindows scores = random_scores(16, 20, 1);
  const Quality a = summarize(scores), b = summarize(scores);
  EXPECT_EQ(a.perplexity.low, b.perplexity.low);
  EXPECT_EQ(a.kl_p99.high, b.kl_p99.high);
}

TEST(Bootstrap, PairingRemovesWhatBothModelsShare) {
  // The model's NLL is the baseline's plus 0.01 everywhere: the increase is known far better than
  // the perplexity.
  ScoredWindows scores = random_scores(32, 50, 1);
  for (TokenScore& token : scores.tokens) token.nll += 0.01;
  const Quality quality = summarize(scores);
  const double increase = quality.perplexity_increase.value;
  EXPECT_GT(quality.perplexity_increase.low, 0);
  EXPECT_NEAR(increase, quality.perplexity.value * (1 - std::exp(-0.01)), 1e-10);
  EXPECT_LT(quality.perplexity_increase.high - quality.perplexity_increase.low,
            0.011 * (quality.perplexity.high - quality.perplexity.low));
}

TEST(Bootstrap, ADifferenceThatEveryWindowSharesIsSignificant) {
  const ScoredWindows a = random_scores(32, 50, 1);
  ScoredWindows b = a;
  for (TokenScore& token : b.tokens) token.kl += 0.001;
  const Estimate difference = paired_difference(kl_of_windows(a), kl_of_windows(b));
  EXPECT_NEAR(difference.value, 0.001, 1e-12);
  EXPECT_NEAR(difference.low, 0.001, 1e-12);
  const Estimate none =
      paired_difference(kl_of_windows(a), kl_of_windows(random_scores(32, 50, 2)));
  EXPECT_LT(none.low, 0);
  EXPECT_GT(none.high, 0);
}

TEST(Bootstrap, IntervalsCoverTheTruth) {
  // 32 windows, true mean KL 0.02 (0.01 times the variance of a sum of two normals), true mean
  // NLL 3. A percentile interval over 32 windows covers somewhat less than 95 %: its width misses
  // the factor sqrt(32 / 31) and Student's t against the normal quantile (2.04 against 1.96),
  // together about 1 %, and KL is skewed. Over 300 data sets the share that covers has a standard
  // deviation of 1.3 %: 0.86 is beyond 5 of them below 0.93, and 0.995 is 3.5 above 0.95.
  int kl_covered = 0, nll_covered = 0;
  constexpr int sets = 300;
  for (int set = 0; set < sets; ++set) {
    const Quality quality =
        summarize(random_scores(32, 30, static_cast<uint64_t>(1000 + set)), 400);
    kl_covered += quality.kl_mean.low <= 0.02 && 0.02 <= quality.kl_mean.high;
    nll_covered += std::log(quality.perplexity.low) <= 3 && 3 <= std::log(quality.perplexity.high);
  }
  EXPECT_GT(nll_covered, 0.86 * sets);
  EXPECT_LT(nll_covered, 0.995 * sets);
  EXPECT_GT(kl_covered, 0.82 * sets);  // the skew costs some more
  EXPECT_LT(kl_covered, 0.995 * sets);
}

// Of n zeros and ones with mean p the resampled means have the standard deviation sqrt(p (1 - p) /
// n) = 0.0229, and 95 % of them lie within 1.96 of it. The ends of 2000 resamples scatter by about
// 3 % of that distance, and are multiples of 1/400: 0.006 is more than four times both together.
TEST(Bootstrap, TheIntervalOfAnAccuracyIsTheBinomialOne) {
  std::vector<double> right(400, 0);
  std::fill(right.begin(), right.begin() + 120, 1);
  const Estimate accuracy = mean_estimate(right);
  EXPECT_EQ(accuracy.value, 0.3);
  const double half = 1.96 * std::sqrt(0.3 * 0.7 / 400);
  EXPECT_NEAR(accuracy.low, 0.3 - half, 0.006);
  EXPECT_NEAR(accuracy.high, 0.3 + half, 0.006);
}

}  // namespace
}  // namespace farthing
