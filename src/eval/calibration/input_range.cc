// Ranges from histograms.
#include "eval/calibration/input_range.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "formats/small_floats/small_float.h"
#include "kernels/scalar_math.h"

namespace farthing {
namespace {

constexpr std::array<std::string_view, 4> names{"absmax", "percentile", "mse", "entropy"};
constexpr int levels = 128;  // magnitudes of int8

std::vector<double> magnitudes(const InputHistogram& h) {
  std::vector<double> out(InputHistogram::bins);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<double>(h.positive()[i] + h.negative()[i]);
  return out;
}

Extremes clipped(const SeenInput& seen, double magnitude) {
  const auto edge = static_cast<float>(magnitude);
  Extremes out;
  out.low = std::max(seen.low, -edge);
  out.high = std::min(seen.high, edge);
  return out;
}

double percentile_edge(const InputHistogram& h, double percentile) {
  const std::vector<double> counts = magnitudes(h);
  double total = 0, sum = 0;
  for (const double count : counts) total += count;
  for (size_t i = 0; i < counts.size(); ++i)
    if ((sum += counts[i]) >= percentile / 100 * total)
      return static_cast<double>(i + 1) * h.width();
  return h.width() * InputHistogram::bins;
}

// What the static format makes of x.
float rounded(float x, Activations activations, StaticInput input) {
  if (activations == Activations::fp8_e4m3_static)
    return input.scale *
           E4m3::value_of(E4m3::encode(std::clamp(x / input.scale, -E4m3::largest, E4m3::largest)));
  const bool with_zero = activations == Activations::int8_static_asym;
  const auto zero = static_cast<float>(input.zero);
  const float code = round_even(x / input.scale) + zero;
  return input.scale * (std::clamp(code, with_zero ? -128.0f : -127.0f, 127.0f) - zero);
}

double mse_edge(const SeenInput& seen, Activations activations) {
  const InputHistogram& h = seen.histogram;
  double least = INFINITY, best = h.width() * InputHistogram::bins;
  for (int edge = InputHistogram::bins; edge >= levels; edge -= 8) {
    const double magnitude = edge * h.width();
    const StaticInput input = static_input(activations, clipped(seen, magnitude));
    double error = 0;
    for (int i = 0; i < InputHistogram::bins; ++i) {
      const auto at = static_cast<size_t>(i);
      const auto add = [&](float x, int64_t count) {
        const double miss = static_cast<double>(x) - rounded(x, activations, input);
        error += static_cast<double>(count) * miss * miss;
      };
      const auto centre = static_cast<float>((i + 0.5) * h.width());
      if (h.positive()[at] != 0) add(centre, h.positive()[at]);
      if (h.negative()[at] != 0) add(-centre, h.negative()[at]);
    }
    if (!(error < least)) continue;
    least = error;
    best = magnitude;
  }
  return best;
}

// KL(P || Q) of the first `edge` bins, everything beyond them in P's last one.
double divergence(const std::vector<double>& counts, int edge, double beyond) {
  const auto count_of = [&](int i) { return counts[static_cast<size_t>(i)]; };
  double p_sum = beyond, q_sum = 0;
  for (int i = 0; i < edge; ++i) {
    p_sum += count_of(i);
    q_sum += count_of(i);
  }
  double out = 0;
  for (int level = 0; level < levels; ++level) {
    const int begin = level * edge / levels, end = (level + 1) * edge / levels;
    double mass = 0, filled = 0;
    for (int i = begin; i < end; ++i) {
      mass += count_of(i);
      filled += count_of(i) > 0;
    }
    for (int i = begin; i < end; ++i) {
      const double p = (count_of(i) + (i == edge - 1 ? beyond : 0)) / p_sum;
      const double q = count_of(i) > 0 ? mass / filled / q_sum : 0;
      if (p == 0) continue;
      if (q == 0) return INFINITY;
      out += p * fixed_log(p / q);
    }
  }
  return out;
}

double entropy_edge(const InputHistogram& h) {
  std::vector<double> counts = magnitudes(h);
  counts[0] = counts[1];  // a spike at zero says nothing of the range
  std::vector<double> beyond(counts.size() + 1);
  for (size_t i = counts.size(); i-- > 0;) beyond[i] = beyond[i + 1] + counts[i];
  int best = InputHistogram::bins;
  double least = INFINITY;
  for (int edge = levels; edge <= InputHistogram::bins; ++edge) {
    const double each = divergence(counts, edge, beyond[static_cast<size_t>(edge)]);
    if (each > least || each - each != 0) continue;
    least = each;
    best = edge;
  }
  return best * h.width();
}

}  // namespace

std::optional<RangeMethod> find_range_method(std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<RangeMethod>(found - names.begin());
}

std::string_view range_method_name(RangeMethod method) {
  return names[static_cast<size_t>(method)];
}

void InputHistogram::widen(double amax) {
  if (range_ == 0) {
    positive_.assign(bins, 0);
    negative_.assign(bins, 0);
    range_ = std::ldexp(1.0, std::max(std::ilogb(amax) + 1, -100));
    positive_[0] = zeros_;
  }
  for (; range_ <= amax; range_ *= 2)
    for (auto* counts : {&positive_, &negative_})
      for (size_t i = 0; i < bins; ++i)
        (*counts)[i] = i < bins / 2 ? (*counts)[2 * i] + (*counts)[2 * i + 1] : 0;
}

void InputHistogram::add(const float* values, int64_t count) {
  const double amax = static_cast<double>(extremes_of(values, count).amax());
  if (amax > 0) widen(amax);
  if (empty()) {
    zeros_ += count;
    return;
  }
  const double inverse = bins / range_;
  for (int64_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(values[i]);
    const auto bin = static_cast<size_t>(std::fabs(x) * inverse);
    ++(x < 0 ? negative_ : positive_)[bin];
  }
}

void SeenInput::add(View<const float, 2> rows, bool with_histogram) {
  for (int64_t r = 0; r < rows.rows; ++r) join(extremes_of(rows.row(r), rows.columns));
  if (with_histogram) count(rows);
}

void SeenInput::count(View<const float, 2> rows) {
  for (int64_t r = 0; r < rows.rows && finite; ++r) histogram.add(rows.row(r), rows.columns);
}

void SeenInput::add_columns(View<const float, 2> rows) {
  largest.resize(static_cast<size_t>(rows.columns));
  for (int64_t r = 0; r < rows.rows; ++r)
    for (size_t i = 0; i < largest.size(); ++i)
      largest[i] = std::max(largest[i], std::fabs(rows.row(r)[i]));
}

Extremes chosen_range(const SeenInput& seen, Activations activations, const RangeOptions& options) {
  if (options.method == RangeMethod::absmax || activations == Activations::nvfp4 ||
      seen.histogram.empty())
    return seen;
  switch (options.method) {
    case RangeMethod::percentile:
      return clipped(seen, percentile_edge(seen.histogram, options.percentile));
    case RangeMethod::mse:
      return clipped(seen, mse_edge(seen, activations));
    default:
      return clipped(seen, entropy_edge(seen.histogram));
  }
}

StaticInput chosen_input(const SeenInput& seen, std::span<const float> largest_of_columns,
                         Activations activations, const RangeOptions& options) {
  if (has_outliers(activations))
    return outlier_input(activations, largest_of_columns, options.outlier_threshold);
  return static_input(activations, chosen_range(seen, activations, options));
}

}  // namespace farthing
