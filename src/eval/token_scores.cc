// Log-softmax, KL divergence and top-1 of rows of logits, in double.
#include "eval/token_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

namespace farthing {
namespace {

constexpr int64_t chunk =
    256;                  // logits at a time: their exponentials stay in the first-level cache
constexpr int lanes = 8;  // partial sums

// Two doubles, what every x86-64 has registers for. Compilers do not vectorise the comparison below
// by themselves.
using Pair [[gnu::vector_size(16)]] = double;
using BitPair [[gnu::vector_size(16)]] = uint64_t;

// exp(x) for x <= 0; relative error below 1e-14 down to -700, where it stays. 2^n e^r with |r| <=
// ln(2) / 2, and e^r by its Taylor series to r^11.
inline Pair exp_of_nonpositive(Pair x) {
  const Pair lowest = {-700.0, -700.0};
  x = x < lowest ? lowest : x;
  // Adding 1.5 * 2^52 rounds to a whole number and leaves it in the low bits; 1023 is the
  // exponent's bias.
  constexpr double to_whole = 0x1.8p52 + 1023;
  const Pair shifted = x * 0x1.71547652b82fep+0 + to_whole;
  const Pair n = shifted - to_whole;
  const Pair r = (x - n * 0x1.62e42fefa3800p-1) - n * 0x1.ef35793c76730p-45;  // n ln 2 in two parts
  const Pair r2 = r * r, r4 = r2 * r2;
  const Pair low = (1.0 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
  const Pair middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
  const Pair high =
      (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800));
  return (low + r4 * (middle + r4 * high)) *
         reinterpret_cast<Pair>(reinterpret_cast<BitPair>(shifted) << 52);
}

// out[i] = exp(-below[i]); of an odd last value, the one behind it is computed too.
void exp_of_minus(const double* below, int64_t count, double* out) {
  for (int64_t i = 0; i < count; i += 2) {
    Pair x;
    std::memcpy(&x, below + i, sizeof x);
    x = exp_of_nonpositive(-x);
    std::memcpy(out + i, &x, sizeof x);
  }
}

double sum_of(const double (&parts)[lanes]) {
  double sum = 0;
  for (double part : parts) sum += part;
  return sum;
}

// Values are added to partial sum `index % lanes`.
void add_to(double (&parts)[lanes], const double* values, int64_t count) {
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; ++lane) parts[lane] += values[i + lane];
  for (int lane = 0; i < count; ++i, ++lane) parts[lane] += values[i];
}

struct Top {
  float value;
  int64_t index;
};

Top top_of(const float* logits, int64_t size) {
  constexpr int width = 16;
  float best[width];
  std::fill(best, best + width, logits[0]);
  int64_t i = 0;
  for (; i + width <= size; i += width)
    for (int lane = 0; lane < width; ++lane)
      best[lane] = best[lane] < logits[i + lane] ? logits[i + lane] : best[lane];
  float value = *std::max_element(best, best + width);
  for (; i < size; ++i) value = std::max(value, logits[i]);
  return {value, std::find(logits, logits + size, value) - logits};
}

// How far a logit lies below the highest one.
inline double below(Top top, float logit) {
  return static_cast<double>(top.value) - static_cast<double>(logit);
}

// A row's highest logit, and the log of the sum of exponentials counted from it.
struct Normaliser {
  Top top;
  double log_sum;
  double nll(const float* logits, int32_t token) const {
    return below(top, logits[token]) + log_sum;
  }
};

Normaliser normaliser_of(const float* logits, int64_t size) {
  const Top top = top_of(logits, size);
  double sums[lanes] = {}, distance[chunk] = {}, exponential[chunk];
  for (int64_t i = 0; i < size; i += chunk) {
    const int64_t count = std::min(chunk, size - i);
    for (int64_t j = 0; j < count; ++j) distance[j] = below(top, logits[i + j]);
    exp_of_minus(distance, count, exponential);
    add_to(sums, exponential, count);
  }
  return {top, std::log(sum_of(sums))};
}

TokenScore score(const float* logits, int64_t size, int32_t next) {
  const double nll = normaliser_of(logits, size).nll(logits, next);
  return {.nll = nll, .baseline_nll = nll};
}

// KL(b || q) = log Z_q - log Z_b + sum p_b (b - q), each row's logits counted from its highest.
TokenScore score_against(const float* b, const float* q, int64_t size, int32_t next) {
  const Top top_b = top_of(b, size), top_q = top_of(q, size);
  double sums_b[lanes] = {}, sums_q[lanes] = {}, sums_cross[lanes] = {};
  double below_b[chunk] = {}, below_q[chunk] = {}, exp_b[chunk], exp_q[chunk], cross[chunk];
  for (int64_t i = 0; i < size; i += chunk) {
    const int64_t count = std::min(chunk, size - i);
    for (int64_t j = 0; j < count; ++j) below_b[j] = below(top_b, b[i + j]);
    for (int64_t j = 0; j < count; ++j) below_q[j] = below(top_q, q[i + j]);
    exp_of_minus(below_b, count, exp_b);
    exp_of_minus(below_q, count, exp_q);
    for (int64_t j = 0; j < count; ++j) cross[j] = exp_b[j] * (below_q[j] - below_b[j]);
    add_to(sums_b, exp_b, count);
    add_to(sums_q, exp_q, count);
    add_to(sums_cross, cross, count);
  }
  const double z_b = sum_of(sums_b), log_z_b = std::log(z_b), log_z_q = std::log(sum_of(sums_q));
  // Rounding may leave a KL that is zero a little below it; a NaN stays one.
  const double kl = log_z_q - log_z_b + sum_of(sums_cross) / z_b;
  return {.nll = below(top_q, q[next]) + log_z_q,
          .baseline_nll = below(top_b, b[next]) + log_z_b,
          .kl = kl < 0 ? 0 : kl,
          .top1 = top_b.index == top_q.index};
}

tl::unexpected<Error> not_finite(std::string where) {
  return fail(
      {.what = "the model computes logits that are not finite",
       .where = std::move(where),
       .got = "NaN or infinity",
       .wanted = "finite logits",
       .remedy =
           "check the weights with `farthing inspect`; a format with a wider range may help"});
}

template <class Score>
Result<> score_rows(Context& context, View<const float, 2> logits, std::span<const int32_t> next,
                    std::span<TokenScore> out, const Score& score_row) {
  CHECK(logits.rows == static_cast<int64_t>(next.size()) && next.size() == out.size());
  std::atomic<int64_t> bad_row{-1};
  context.pool.run([&](Part part) {
    const auto range = part.range(logits.rows);
    for (int64_t i = range.begin; i < range.end; ++i) {
      const auto at = static_cast<size_t>(i);
      CHECK(next[at] >= 0 && next[at] < logits.columns);
      out[at] = score_row(i, next[at]);
      if (!std::isfinite(out[at].nll) || !std::isfinite(out[at].kl)) bad_row = i;
    }
  });
  if (bad_row >= 0) return not_finite(fmt::format("position {} of a window", bad_row.load()));
  return {};
}

}  // namespace

Result<> score_tokens(Context& context, View<const float, 2> logits, std::span<const int32_t> next,
                      std::span<TokenScore> out) {
  return score_rows(context, logits, next, out, [&](int64_t i, int32_t token) {
    return score(logits.row(i), logits.columns, token);
  });
}

Result<> score_tokens_against(Context& context, View<const float, 2> baseline,
                              View<const float, 2> logits, std::span<const int32_t> next,
                              std::span<TokenScore> out) {
  CHECK(baseline.rows == logits.rows && baseline.columns == logits.columns);
  return score_rows(context, logits, next, out, [&](int64_t i, int32_t token) {
    return score_against(baseline.row(i), logits.row(i), logits.columns, token);
  });
}

Result<> score_row_tokens(Context& context, View<const float, 2> logits,
                          std::span<const RowToken> wanted, std::span<double> nll) {
  CHECK(wanted.size() == nll.size());
  std::atomic<bool> bad{false};
  context.pool.run([&](Part part) {
    const auto range = part.range(static_cast<int64_t>(wanted.size()));
    int64_t row = -1;
    Normaliser normaliser{};
    for (int64_t i = range.begin; i < range.end; ++i) {
      const RowToken& one = wanted[static_cast<size_t>(i)];
      CHECK(one.row >= row && one.row < logits.rows && one.token >= 0 &&
            one.token < logits.columns);
      if (one.row != row) normaliser = normaliser_of(logits.row(one.row), logits.columns);
      row = one.row;
      double& out = nll[static_cast<size_t>(i)];
      out = normaliser.nll(logits.row(row), one.token);
      if (!std::isfinite(out)) bad = true;
    }
  });
  if (bad) return not_finite("the likelihood of an answer");
  return {};
}

}  // namespace farthing
