// The paired bootstrap over windows.
#include "eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/random.h"

namespace farthing {
namespace {

// Which windows a resample holds: how often each was drawn.
using Draw = std::vector<int32_t>;

Draw draw_windows(int64_t windows, int resample) {
  Draw times(static_cast<size_t>(windows), 0);
  for (int64_t i = 0; i < windows; ++i) {
    const uint64_t bits = random_bits(0, static_cast<uint64_t>(resample), static_cast<uint64_t>(i));
    // The high half of a 64 by 64 bit product: uniform over the windows to within 2^-58.
    ++times[static_cast<size_t>(
        static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(windows) >> 64)];
  }
  return times;
}

// Mean over the tokens of a draw, from the sums of the windows.
double mean_of(const std::vector<double>& sums, const Draw& draw, int64_t tokens) {
  double sum = 0;
  for (size_t i = 0; i < sums.size(); ++i) sum += draw[i] * sums[i];
  return sum / static_cast<double>(tokens);
}

template <class Field>
std::vector<double> window_sums(const ScoredWindows& scores, Field field) {
  std::vector<double> sums;
  for (int64_t i = 0; i < scores.count(); ++i) {
    double sum = 0;
    for (const TokenScore& token : scores.window(i)) sum += static_cast<double>(token.*field);
    sums.push_back(sum);
  }
  return sums;
}

// The 99th percentile of KL over a draw. The tokens are sorted once, highest first, and a draw's
// copies are counted from the top: about a hundredth of the tokens are visited.
class TailOfKl {
 public:
  explicit TailOfKl(const ScoredWindows& scores)
      : tokens_(static_cast<int64_t>(scores.tokens.size())) {
    for (size_t i = 0; i < scores.tokens.size(); ++i)
      sorted_.push_back(
          {scores.tokens[i].kl, static_cast<int32_t>(static_cast<int64_t>(i) / scores.per_window)});
    std::stable_sort(sorted_.begin(), sorted_.end(),
                     [](const Entry& a, const Entry& b) { return a.kl > b.kl; });
  }

  double p99(const Draw& draw) const {
    const double position = static_cast<double>(tokens_ - 1) * 0.01;  // from the top
    const auto above = static_cast<int64_t>(position);
    const double upper = from_top(draw, above);
    const double lower = above + 1 < tokens_ ? from_top(draw, above + 1) : upper;
    return upper + (lower - upper) * (position - static_cast<double>(above));
  }

 private:
  struct Entry {
    double kl;
    int32_t window;
  };
  double from_top(const Draw& draw, int64_t rank) const {
    int64_t seen = 0;
    for (const Entry& entry : sorted_) {
      seen += draw[static_cast<size_t>(entry.window)];
      if (seen > rank) return entry.kl;
    }
    return sorted_.back().kl;
  }
  std::vector<Entry> sorted_;
  int64_t tokens_;
};

Estimate estimate(double value, std::vector<double> resampled) {
  std::sort(resampled.begin(), resampled.end());
  const auto at = [&](double share) {
    const double position = share * static_cast<double>(resampled.size() - 1);
    const auto below = static_cast<size_t>(position);
    const size_t above = std::min(below + 1, resampled.size() - 1);
    return resampled[below] +
           (resampled[above] - resampled[below]) * (position - static_cast<double>(below));
  };
  return {value, at(0.025), at(0.975)};
}

}  // namespace

Quality summarize(const ScoredWindows& scores, int resamples) {
  const int64_t windows = scores.count(), tokens = windows * scores.per_window;
  CHECK(windows > 0 && resamples > 0);
  const auto nll = window_sums(scores, &TokenScore::nll),
             nll_baseline = window_sums(scores, &TokenScore::baseline_nll);
  const auto kl = window_sums(scores, &TokenScore::kl),
             top1 = window_sums(scores, &TokenScore::top1);
  const TailOfKl tail(scores);

  struct Statistics {
    double perplexity, increase, kl_mean, kl_p99, top1;
  };
  const auto statistics = [&](const Draw& draw) {
    const double perplexity = std::exp(mean_of(nll, draw, tokens));
    return Statistics{perplexity, perplexity - std::exp(mean_of(nll_baseline, draw, tokens)),
                      mean_of(kl, draw, tokens), tail.p99(draw), mean_of(top1, draw, tokens)};
  };
  std::vector<Statistics> resampled;
  for (int i = 0; i < resamples; ++i) resampled.push_back(statistics(draw_windows(windows, i)));
  const Statistics all = statistics(Draw(static_cast<size_t>(windows), 1));
  const auto of = [&](double Statistics::*field) {
    std::vector<double> values;
    for (const Statistics& s : resampled) values.push_back(s.*field);
    return estimate(all.*field, std::move(values));
  };
  return {of(&Statistics::perplexity), of(&Statistics::increase), of(&Statistics::kl_mean),
          of(&Statistics::kl_p99), of(&Statistics::top1)};
}

std::vector<double> kl_of_windows(const ScoredWindows& scores) {
  std::vector<double> means = window_sums(scores, &TokenScore::kl);
  for (double& mean : means) mean /= static_cast<double>(scores.per_window);
  return means;
}

Estimate mean_estimate(std::span<const double> values, int resamples) {
  CHECK(!values.empty() && resamples > 0);
  const auto count = static_cast<int64_t>(values.size());
  const std::vector<double> all(values.begin(), values.end());
  std::vector<double> resampled;
  for (int i = 0; i < resamples; ++i)
    resampled.push_back(mean_of(all, draw_windows(count, i), count));
  return estimate(mean_of(all, Draw(all.size(), 1), count), std::move(resampled));
}

Estimate paired_difference(std::span<const double> a, std::span<const double> b, int resamples) {
  CHECK(a.size() == b.size() && !a.empty() && resamples > 0);
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(b[i] - a[i]);
  return mean_estimate(differences, resamples);
}

}  // namespace farthing
