// Tests of the statistics of one position's logits.
#include "eval/token_scores.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/random.h"

namespace farthing {
namespace {

struct Rows {
  std::vector<float> values;
  int64_t rows, columns;
  View<const float, 2> view() const { return {values.data(), rows, columns, columns}; }
};

Rows random_rows(int64_t rows, int64_t columns, float spread, uint64_t stream) {
  Rows out{{}, rows, columns};
  for (int64_t i = 0; i < rows * columns; ++i)
    out.values.push_back(spread * random_normal(1, stream, static_cast<uint64_t>(i)));
  return out;
}

// The definition, in long double.
long double kl_by_definition(const float* b, const float* q, int64_t size) {
  long double z_b = 0, z_q = 0, kl = 0;
  for (int64_t i = 0; i < size; ++i) {
    z_b += std::exp(static_cast<long double>(b[i]));
    z_q += std::exp(static_cast<long double>(q[i]));
  }
  for (int64_t i = 0; i < size; ++i) {
    const long double log_p = b[i] - std::log(z_b), log_q = q[i] - std::log(z_q);
    kl += std::exp(log_p) * (log_p - log_q);
  }
  return kl;
}

// Spread 4 keeps exp() of every logit (at most 24) in range; differences are of order 1. Rounding:
// 1e-14 relative in each exponential, up to 49152 / 8 * 2^-53 = 7e-13 in a partial sum; the terms'
// magnitudes add up to less than 50.
constexpr double tolerance = 50 * 1e-12;

TEST(TokenScores, KlAndNllAreThoseOfTheDefinition) {
  ContextOwner context(2, Isa::portable);
  for (const int64_t columns : {1, 7, 16, 255, 256, 257, 1000, 49152}) {
    const Rows b = random_rows(3, columns, 4, 1), q = random_rows(3, columns, 4, 2);
    const std::vector<int32_t> next{0, static_cast<int32_t>(columns / 2),
                                    static_cast<int32_t>(columns - 1)};
    std::vector<TokenScore> scores(3);
    ASSERT_TRUE(score_tokens_against(context.get(), b.view(), q.view(), next, scores));
    for (int64_t i = 0; i < 3; ++i) {
      const auto at = static_cast<size_t>(i);
      const float* row = q.view().row(i);
      long double z = 0;
      for (int64_t j = 0; j < columns; ++j) z += std::exp(static_cast<long double>(row[j]));
      EXPECT_NEAR(scores[at].nll, static_cast<double>(std::log(z) - row[next[at]]), tolerance);
      EXPECT_NEAR(scores[at].kl,
                  static_cast<double>(kl_by_definition(b.view().row(i), row, columns)), tolerance);
    }
  }
}

TEST(TokenScores, TwoTokensByHand) {
  // p = (3/4, 1/4), q = (1/2, 1/2): KL = 3/4 log(3/2) + 1/4 log(1/2); NLL = log 2.
  ContextOwner context(1, Isa::portable);
  const float b[] = {std::log(3.0f), 0}, q[] = {5, 5};
  const int32_t next[] = {1};
  TokenScore score[1];
  ASSERT_TRUE(score_tokens_against(context.get(), {b, 1, 2, 2}, {q, 1, 2, 2}, next, score));
  EXPECT_NEAR(score[0].kl, 0.75 * std::log(1.5) - 0.25 * std::log(2.0),
              1e-7);  // log(3) was rounded to float
  EXPECT_NEAR(score[0].nll, std::log(2.0), 1e-15);
  EXPECT_TRUE(score[0].top1);  // of equal logits the first counts
}

TEST(TokenScores, EqualLogitsHaveNoDivergence) {
  ContextOwner context(1, Isa::portable);
  const Rows b = random_rows(4, 1003, 30, 1);
  const std::vector<int32_t> next(4, 5);
  std::vector<TokenScore> scores(4), alone(4);
  ASSERT_TRUE(score_tokens_against(context.get(), b.view(), b.view(), next, scores));
  ASSERT_TRUE(score_tokens(context.get(), b.view(), next, alone));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(scores[i].kl, 0);
    EXPECT_EQ(scores[i].nll, alone[i].nll);
    EXPECT_EQ(scores[i].baseline_nll, alone[i].nll);
    EXPECT_TRUE(scores[i].top1);
  }
}

TEST(TokenScores, AnotherMostLikelyTokenIsNoAgreement) {
  ContextOwner context(1, Isa::portable);
  Rows b = random_rows(1, 300, 1, 1), q = b;
  b.values[299] = 10;
  q.values[299] = 10;
  q.values[17] = 10.5f;
  const int32_t next[] = {0};
  TokenScore score[1];
  ASSERT_TRUE(score_tokens_against(context.get(), b.view(), q.view(), next, score));
  EXPECT_FALSE(score[0].top1);
}

TEST(TokenScores, LogitsFarApartStayFinite) {
  // The second token's probability underflows; KL is the difference of the log-probabilities of the
  // first.
  ContextOwner context(1, Isa::portable);
  const float b[] = {1e30f, 0}, q[] = {0, 1000};
  const int32_t next[] = {0};
  TokenScore score[1];
  ASSERT_TRUE(score_tokens_against(context.get(), {b, 1, 2, 2}, {q, 1, 2, 2}, next, score));
  EXPECT_DOUBLE_EQ(score[0].kl, 1000);
  EXPECT_DOUBLE_EQ(score[0].nll, 1000);
}

TEST(TokenScores, NanAndInfinityAreErrors) {
  ContextOwner context(1, Isa::portable);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const size_t place : {size_t{0}, size_t{20}, size_t{299}}) {
      const Rows b = random_rows(2, 300, 1, 1);
      Rows q = b;
      q.values[300 + place] = bad;
      const std::vector<int32_t> next{1, 1};
      std::vector<TokenScore> scores(2);
      EXPECT_FALSE(score_tokens_against(context.get(), b.view(), q.view(), next, scores))
          << bad << " at " << place;
      EXPECT_FALSE(score_tokens(context.get(), q.view(), next, scores)) << bad << " at " << place;
    }
  }
}

TEST(TokenScores, ThreadsDoNotChangeABit) {
  const Rows b = random_rows(37, 5000, 4, 1), q = random_rows(37, 5000, 4, 2);
  const std::vector<int32_t> next(37, 5);
  std::vector<TokenScore> reference(37);
  ContextOwner one(1, Isa::portable);
  ASSERT_TRUE(score_tokens_against(one.get(), b.view(), q.view(), next, reference));
  for (const int threads : {2, 3, 8}) {
    ContextOwner context(threads, Isa::portable);
    std::vector<TokenScore> scores(37);
    ASSERT_TRUE(score_tokens_against(context.get(), b.view(), q.view(), next, scores));
    for (size_t i = 0; i < scores.size(); ++i) {
      EXPECT_EQ(scores[i].nll, reference[i].nll);
      EXPECT_EQ(scores[i].kl, reference[i].kl);
    }
  }
}

TEST(TokenScores, SeveralTokensOfARowAreScoredAsEachAlone) {
  const Rows rows = random_rows(5, 1000, 4, 3);
  const std::vector<RowToken> wanted{{0, 7}, {2, 0}, {2, 999}, {2, 5}, {4, 1}};
  for (const int threads : {1, 2, 3}) {
    ContextOwner context(threads, Isa::portable);
    std::vector<double> nll(wanted.size());
    ASSERT_TRUE(score_row_tokens(context.get(), rows.view(), wanted, nll));
    for (size_t i = 0; i < wanted.size(); ++i) {
      TokenScore one;
      ASSERT_TRUE(score_tokens(context.get(),
                               rows.view().rows_from(wanted[i].row, wanted[i].row + 1),
                               {&wanted[i].token, 1}, {&one, 1}));
      EXPECT_EQ(nll[i], one.nll) << threads << " threads, " << i;
    }
  }
}

TEST(TokenScores, ARowThatIsNotFiniteHasNoLikelihoods) {
  ContextOwner context(2, Isa::portable);
  Rows rows = random_rows(2, 300, 4, 1);
  rows.values[300 + 77] = std::numeric_limits<float>::quiet_NaN();
  std::vector<double> nll(1);
  EXPECT_TRUE(score_row_tokens(context.get(), rows.view(), std::vector<RowToken>{{0, 3}}, nll));
  EXPECT_FALSE(score_row_tokens(context.get(), rows.view(), std::vector<RowToken>{{1, 3}}, nll));
}

}  // namespace
}  // namespace farthing
