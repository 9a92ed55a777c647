// Sampling: penalty, temperature, the truncations, and the draw.
#include "engine/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/random.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/softmax/softmax.h"
#include "ops/softmax.h"

namespace farthing {
namespace {

Result<> check_range(bool fits, std::string_view flag, double got, std::string_view wanted) {
  if (fits) return {};
  return fail({.what = "a sampling parameter is outside its range",
               .where = std::string(flag),
               .got = fmt::format("{}", got),
               .wanted = std::string(wanted),
               .remedy = "correct the value or leave it away"});
}

Result<> check_logits(Context& context, std::span<const float> logits) {
  const auto n = static_cast<int64_t>(logits.size());
  const SoftmaxStatistics statistics =
      choose_softmax_kernel(context.isa)->statistics(logits.data(), n);
  if (std::isfinite(statistics.max) && std::isfinite(statistics.sum)) return {};
  const auto nan =
      std::count_if(logits.begin(), logits.end(), [](float x) { return std::isnan(x); });
  return fail({.what = "the model's logits are not numbers that a token can be drawn from",
               .where = "sampling",
               .got = nan > 0 ? fmt::format("{} NaN among {} logits", nan, n)
                              : fmt::format("a largest logit of {}", statistics.max),
               .wanted = "finite logits",
               .remedy = "the weights are damaged or overflow in this format: `farthing inspect "
                         "MODEL --ranges` shows "
                         "which; `farthing eval` shows since when"});
}

// As CTRL (Keskar et al. 2019) has it, in the form that vLLM and llama.cpp share.
void penalize(Context& context, std::span<float> logits, std::span<const int32_t> history,
              const SamplingParameters& parameters) {
  if (parameters.repetition_penalty == 1) return;
  if (parameters.repetition_window >= 0 &&
      history.size() > static_cast<size_t>(parameters.repetition_window))
    history = history.last(static_cast<size_t>(parameters.repetition_window));
  const Workspace::Mark mark(context.workspace);
  bool* seen = context.workspace.take<bool>(static_cast<int64_t>(logits.size()));
  std::fill_n(seen, logits.size(), false);
  for (const int32_t token : history) {
    CHECK(token >= 0 && static_cast<size_t>(token) < logits.size());
    if (std::exchange(seen[token], true)) continue;
    float& logit = logits[static_cast<size_t>(token)];
    logit =
        logit > 0 ? logit / parameters.repetition_penalty : logit * parameters.repetition_penalty;
  }
}

// The most probable tokens, with what they need to be ordered and cut.
class Ranking {
 public:
  Ranking(const float* logits, const float* weights, std::span<int32_t> tokens)
      : logits_(logits), weights_(weights), tokens_(tokens) {}

  void keep_most_probable(size_t count) {
    if (count >= tokens_.size()) return;
    sort_first(count);
    tokens_ = tokens_.first(count);
  }

  // The shortest beginning of the ranking that has `share` of the mass. Most often a small part of
  // the vocabulary: only as much as needed is sorted.
  void keep_mass(float share) {
    const double wanted = share * mass();
    double reached = 0;
    for (size_t sorted = 0, i = 0; i < tokens_.size(); ++i) {
      if (i == sorted) sort_first(sorted = std::min(tokens_.size(), 4 * sorted + 64));
      reached += weights_[tokens_[i]];
      if (reached < wanted) continue;
      tokens_ = tokens_.first(i + 1);
      return;
    }
  }

  std::span<Candidate> distribution(Workspace& workspace) const {
    const double all = mass();
    Candidate* out = workspace.take<Candidate>(static_cast<int64_t>(tokens_.size()));
    for (size_t i = 0; i < tokens_.size(); ++i)
      out[i] = {tokens_[i], static_cast<float>(weights_[tokens_[i]] / all)};
    return {out, tokens_.size()};
  }

 private:
  double mass() const {
    double sum = 0;
    for (const int32_t token : tokens_) sum += weights_[token];
    return sum;
  }
  void sort_first(size_t count) {
    std::partial_sort(tokens_.begin(), tokens_.begin() + static_cast<int64_t>(count), tokens_.end(),
                      [&](int32_t a, int32_t b) {
                        return logits_[a] != logits_[b] ? logits_[a] > logits_[b] : a < b;
                      });
  }

  const float* logits_;   // after the penalty
  const float* weights_;  // exp((logit - max) / temperature)
  std::span<int32_t> tokens_;
};

// next_token_distribution in the workspace: allocates nothing once that has grown.
Result<std::span<const Candidate>> distribution_in_workspace(Context& context,
                                                             std::span<const float> logits,
                                                             std::span<const int32_t> history,
                                                             const SamplingParameters& parameters) {
  TRY(check_logits(context, logits));
  const auto n = static_cast<int64_t>(logits.size());
  float* penalized = context.workspace.take<float>(n);
  std::copy(logits.begin(), logits.end(), penalized);
  penalize(context, {penalized, logits.size()}, history, parameters);
  const auto best = static_cast<int32_t>(choose_softmax_kernel(context.isa)->argmax(penalized, n));
  if (parameters.temperature == 0) {
    Candidate* only = context.workspace.take<Candidate>(1);
    *only = {best, 1.0f};
    return std::span<const Candidate>(only, 1);
  }

  float* weights = context.workspace.take<float>(n);
  for (int64_t i = 0; i < n; ++i)
    weights[i] = (penalized[i] - penalized[best]) / parameters.temperature;
  choose_elementwise_kernel(context.isa)->exp(weights, n, weights);
  int32_t* tokens = context.workspace.take<int32_t>(n);
  size_t count = 0;
  for (int32_t i = 0; i < n; ++i)
    if (weights[i] > 0 && weights[i] >= parameters.min_p)
      tokens[count++] = i;  // the best token's weight is 1
  Ranking ranking(penalized, weights, {tokens, count});
  if (parameters.top_k > 0) ranking.keep_most_probable(static_cast<size_t>(parameters.top_k));
  if (parameters.top_p < 1) ranking.keep_mass(parameters.top_p);
  return ranking.distribution(context.workspace);
}

}  // namespace

Result<> check_sampling(const SamplingParameters& p) {
  TRY(check_range(p.temperature >= 0 && std::isfinite(p.temperature), "--temperature",
                  p.temperature, "0 or more"));
  TRY(check_range(p.top_k >= 0, "--top-k", static_cast<double>(p.top_k), "0 (all tokens) or more"));
  TRY(check_range(p.top_p > 0 && p.top_p <= 1, "--top-p", p.top_p, "more than 0 and at most 1"));
  TRY(check_range(p.min_p >= 0 && p.min_p <= 1, "--min-p", p.min_p, "0 to 1"));
  TRY(check_range(p.repetition_penalty > 0 && std::isfinite(p.repetition_penalty),
                  "--repetition-penalty", p.repetition_penalty, "more than 0"));
  return check_range(p.repetition_window >= -1, "--repeat-last-n",
                     static_cast<double>(p.repetition_window),
                     "-1 (everything), 0 (no penalty) or more");
}

Result<std::vector<Candidate>> next_token_distribution(Context& context,
                                                       std::span<const float> logits,
                                                       std::span<const int32_t> history,
                                                       const SamplingParameters& parameters) {
  const Workspace::Mark mark(context.workspace);
  const auto candidates = TRY(distribution_in_workspace(context, logits, history, parameters));
  return std::vector<Candidate>(candidates.begin(), candidates.end());
}

Result<SampledToken> sample(Context& context, std::span<const float> logits,
                            std::span<const int32_t> history, const SamplingParameters& parameters,
                            uint64_t stream, uint64_t index) {
  const Workspace::Mark mark(context.workspace);
  const auto candidates = TRY(distribution_in_workspace(context, logits, history, parameters));
  // 53 bits, so that tokens far below 2^-24 can be drawn too.
  const double drawn =
      static_cast<double>(random_bits(parameters.seed, stream, index) >> 11) * 0x1p-53;
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.probability;
  int32_t id = candidates.back().token;
  double reached = 0;
  for (const Candidate& candidate : candidates) {
    reached += candidate.probability;
    if (drawn * sum < reached) {
      id = candidate.token;
      break;
    }
  }
  SampledToken out{id, 0};
  const auto n = static_cast<int64_t>(logits.size());
  ops::token_log_probabilities(context, {logits.data(), 1, n, n}, {&id, 1},
                               {&out.log_probability, 1});
  return out;
}

}  // namespace farthing
