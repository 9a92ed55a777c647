// 95 % intervals of measured quality by a paired bootstrap over windows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/token_scores.h"

namespace farthing {

inline constexpr int default_resamples = 2000;

// A value and its 95 % interval.
struct Estimate {
  double value = 0, low = 0, high = 0;
};

// The scores of all windows, window by window; every window has `per_window` of them.
struct ScoredWindows {
  int64_t per_window = 0;
  std::vector<TokenScore> tokens;
  int64_t count() const { return static_cast<int64_t>(tokens.size()) / per_window; }
  std::span<const TokenScore> window(int64_t i) const {
    return std::span(tokens).subspan(static_cast<size_t>(i * per_window),
                                     static_cast<size_t>(per_window));
  }
};

struct Quality {
  Estimate perplexity;           // exp of the mean NLL
  Estimate perplexity_increase;  // over the baseline's on the same windows
  Estimate kl_mean, kl_p99;      // nats; of all tokens
  Estimate top1_agreement;       // share of tokens
};

// Resamples whole windows with replacement: the tokens of one window depend on each other. The i-th
// resample draws the same windows for every model (seed 0), and perplexity_increase uses both
// models' windows of the same draw: that is the pairing. Intervals are percentile intervals (2.5 %
// to 97.5 % of `resamples`), as in Efron and Tibshirani, "An Introduction to the Bootstrap",
// chapter 13. With one window they have no width. The percentile of KL interpolates between the two
// nearest tokens, as numpy.percentile.
Quality summarize(const ScoredWindows& scores, int resamples = default_resamples);

// The mean KL of each window.
std::vector<double> kl_of_windows(const ScoredWindows& scores);

// The mean of a number that each question (or window) gives, by resampling questions.
Estimate mean_estimate(std::span<const double> values, int resamples = default_resamples);

// The mean of b - a over windows that two models were both measured on: significant where 0 lies
// outside.
Estimate paired_difference(std::span<const double> a, std::span<const double> b,
                           int resamples = default_resamples);

}  // namespace farthing
