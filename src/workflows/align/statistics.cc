// Sums of differences, and what pairs say together.
#include "workflows/align/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace farthing {

Statistics::Statistics(std::string name, int64_t tokens, double clip) : clip_(clip) {
  pair_.name = std::move(name);
  pair_.log_p.assign(static_cast<size_t>(tokens), std::numeric_limits<double>::quiet_NaN());
}

void Statistics::add(int64_t token, double log_p_a, double log_p_b) {
  const double d = log_p_a - log_p_b;
  const double size = std::fabs(d), log_r = std::clamp(d, -10.0, 10.0), r = std::exp(log_r);
  const double k3 = std::max(0.0, std::expm1(log_r) - log_r);
  pair_.log_p[static_cast<size_t>(token)] = log_p_b;
  ++pair_.tokens;
  sum_ += size;
  squares_ += size * size;
  if (std::isnan(size) || size > pair_.max) pair_.max = size;  // a NaN stays
  k3_ += k3;
  pair_.k3_max = std::max(pair_.k3_max, k3);
  ratio_ += r;
  clipped_ += r < 1 - clip_ || r > 1 + clip_;
}

Alignment Statistics::result() const {
  Alignment out = pair_;
  const double n = static_cast<double>(std::max<int64_t>(out.tokens, 1)), mean = sum_ / n;
  out.mean = mean;
  out.deviation = std::sqrt(std::max(0.0, squares_ / n - mean * mean));
  out.k3_mean = k3_ / n;
  out.ratio_mean = ratio_ / n;
  out.clip_fraction = static_cast<double>(clipped_) / n;
  out.equal_bits = out.max == 0;
  return out;
}

int64_t Alignment::first_operator() const {
  for (size_t i = 0; i < operators.size(); ++i)
    if (operators[i].rows_differ > 0) return static_cast<int64_t>(i);
  return -1;
}

bool AlignedPairs::equal() const {
  return std::all_of(pairs.begin(), pairs.end(), [](const Alignment& a) { return a.equal(); });
}

const Alignment& AlignedPairs::worst() const {
  return *std::max_element(pairs.begin(), pairs.end(), [](const Alignment& a, const Alignment& b) {
    return a.max != b.max ? a.max < b.max : a.equal() && !b.equal();
  });
}

bool AlignedPairs::within(double bound) const {
  return std::all_of(pairs.begin(), pairs.end(), [&](const Alignment& a) {
    return a.max <= bound && (bound > 0 || !a.logits_compared || a.equal_bits);
  });
}

}  // namespace farthing
