// LDLQ: the order of columns, the decomposition, and the loop over outputs.
#include "quant/algorithms/feedback.h"
#include "base/rehearsal.h"

#include <algorithm>
#include <numeric>

#include "formats/levels.h"
#include "formats/outliers.h"
#include "kernels/error_feedback/error_feedback.h"
#include "quant/algorithms/cholesky.h"

namespace farthing {

std::vector<int64_t> order_of(View<const float, 2> gram, bool act_order) {
  std::vector<int64_t> order(static_cast<size_t>(gram.rows));
  std::iota(order.begin(), order.end(), int64_t{0});
  if (act_order)
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return gram.row(a)[a] > gram.row(b)[b]; });
  return order;
}

Feedback feedback_of(Context& context, View<const float, 2> gram, const std::vector<int64_t>& order,
                     double damping) {
  const int64_t k = gram.rows;
  double mean = 0;
  for (int64_t i = 0; i < k; ++i) mean += gram.row(i)[i];
  mean /= static_cast<double>(k);
  Feedback out{Tensor(DType::f32, {k, k}), std::vector<float>(static_cast<size_t>(k)), 0};
  if (!(mean > 0) && !rehearsing()) return out;
  const auto l = out.factors.view<float>();
  const auto at = [&](int64_t i) { return order[static_cast<size_t>(k - 1 - i)]; };
  for (; damping < 2; damping *= 2) {
    const auto added = static_cast<float>(damping * mean);
    context.pool.run([&](Part part) {
      const auto rows = part.range(k);
      for (int64_t i = rows.begin; i < rows.end; ++i) {
        for (int64_t j = 0; j < i; ++j) l.row(i)[j] = gram.row(at(i))[at(j)];
        l.row(i)[i] = gram.row(at(i))[at(i)] + added;
      }
    });
    if (cholesky(context, l)) break;
  }
  if (damping >= 2) return out;
  out.damping = damping;
  for (int64_t j = 0; j < k; ++j) {
    const float pivot = l.row(k - 1 - j)[k - 1 - j];
    out.penalty[static_cast<size_t>(j)] = pivot * pivot;
  }
  // In place, as a Gram matrix may be as large as all weights of a block: M[i, j] is L[k - 1 - i,
  // k - 1 - j] by its pivot, and all elements backwards are L's last row first, its last column
  // first.
  float* const elements = out.factors.as<float>();
  context.pool.run([&](Part part) {
    const auto half = part.range(k * k / 2);
    for (int64_t e = half.begin; e < half.end; ++e) std::swap(elements[e], elements[k * k - 1 - e]);
  });
  std::vector<float> pivots(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j) pivots[static_cast<size_t>(j)] = l.row(j)[j];
  context.pool.run([&](Part part) {
    const auto rows = part.range(k);
    for (int64_t i = rows.begin; i < rows.end; ++i)
      for (int64_t j = i + 1; j < k; ++j) l.row(i)[j] /= pivots[static_cast<size_t>(j)];
  });
  return out;
}

namespace {

// The format's levels as the kernel takes them.
struct Levels {
  std::vector<float> values, bounds;
  std::vector<uint8_t> codes;
  bool whole = true;

  explicit Levels(const std::vector<CodeLevel>& levels) {
    for (const CodeLevel& level : levels) {
      if (!values.empty()) {
        whole = whole && level.value == values.back() + 1;
        bounds.push_back(0.5f * (values.back() + level.value));
      }
      values.push_back(level.value);
      codes.push_back(level.code);
    }
  }
  uint8_t code(float level) const {
    if (whole) return codes[static_cast<size_t>(level - values[0])];
    return codes[static_cast<size_t>(std::lower_bound(values.begin(), values.end(), level) -
                                     values.begin())];
  }
};

// What the kernel kept apart of the rows from `begin`, by row, then column.
std::vector<Outlier> outliers_of(const std::vector<float>& apart, const std::vector<int64_t>& order,
                                 int64_t begin, int64_t count) {
  std::vector<Outlier> out;
  for (size_t j = 0; j < order.size(); ++j)
    for (int64_t i = 0; i < count; ++i) {
      const float value = apart[j * feedback_outputs + static_cast<size_t>(i)];
      if (value == value) out.push_back({begin + i, order[j], value});
    }
  std::sort(out.begin(), out.end(),
            [](const Outlier& a, const Outlier& b) { return a.n != b.n ? a.n < b.n : a.k < b.k; });
  return out;
}

}  // namespace

std::vector<float> penalty_of_columns(const Feedback& feedback, const std::vector<int64_t>& order,
                                      double unit) {
  std::vector<float> out(order.size());
  for (size_t j = 0; j < order.size(); ++j)
    out[static_cast<size_t>(order[j])] =
        static_cast<float>(static_cast<double>(feedback.penalty[j]) / unit);
  return out;
}

double mean_penalty(const Feedback& feedback) {
  double sum = 0;
  for (const float each : feedback.penalty) sum += static_cast<double>(each);
  return sum / static_cast<double>(feedback.penalty.size());
}

// 32 outputs at a time: weights gathered in order, rounded, and their codes stored.
int64_t round_columns(Context& context, const LayerInput& input, const std::vector<int64_t>& order,
                      const Feedback& feedback, QuantizedTensor& out, float limit) {
  constexpr int64_t width = feedback_outputs;
  const bool with_outliers = has_outliers(*out.format);
  const Levels levels(levels_of(*out.format, input.rule));
  const int64_t n = out.n, k = out.k, length = group_length(out),
                groups = (k + length - 1) / length;
  std::vector<int32_t> group(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j)
    group[static_cast<size_t>(j)] = static_cast<int32_t>(order[static_cast<size_t>(j)] / length);
  const auto& kernel = choose_error_feedback_kernel(context.isa);
  std::vector<std::vector<Outlier>> outliers(static_cast<size_t>((n + width - 1) / width));
  context.pool.run([&](Part part) {
    const auto rows = part.range(n, width);
    std::vector<float> weights(static_cast<size_t>(k * width)), level(weights), errors(weights),
        losses(static_cast<size_t>(width)), scale(static_cast<size_t>(groups * width)),
        inverse(scale), zero(scale), offset(scale), apart(with_outliers ? weights.size() : 0);
    std::vector<uint8_t> codes(static_cast<size_t>(k * width));
    for (int64_t begin = rows.begin; begin < rows.end; begin += width) {
      const int64_t count = std::min(width, n - begin);
      for (int64_t g = 0; g < groups; ++g) {
        for (int64_t i = 0; i < count; ++i) {
          const auto to = static_cast<size_t>(g * width + i);
          const GroupParameters p = group_parameters_at(out, begin + i, g * length);
          scale[to] = p.scale;
          const float reciprocal = p.scale == 0 ? 0.0f : 1.0f / p.scale;
          inverse[to] = reciprocal - reciprocal == 0 ? reciprocal : 0.0f;
          zero[to] = p.zero;
          offset[to] = p.offset;
        }
      }
      for (int64_t j = 0; j < k; ++j)
        for (int64_t i = 0; i < count; ++i)
          weights[static_cast<size_t>(j * width + i)] =
              input.weight.row(begin + i)[order[static_cast<size_t>(j)]];
      kernel->round({.k = k,
                     .weights = weights.data(),
                     .feedback = feedback.factors.as<float>(),
                     .penalty = feedback.penalty.data(),
                     .group = group.data(),
                     .scale = scale.data(),
                     .inverse = inverse.data(),
                     .zero = zero.data(),
                     .offset = offset.data(),
                     .levels = levels.values.data(),
                     .bounds = levels.bounds.data(),
                     .level_count = static_cast<int64_t>(levels.values.size()),
                     .whole = levels.whole,
                     .level = level.data(),
                     .errors = errors.data(),
                     .losses = losses.data(),
                     .outliers = with_outliers ? apart.data() : nullptr,
                     .limit = limit});
      for (int64_t j = 0; j < k; ++j)
        for (int64_t i = 0; i < count; ++i)
          codes[static_cast<size_t>(i * k + order[static_cast<size_t>(j)])] =
              levels.code(level[static_cast<size_t>(j * width + i)]);
      out.format->put_codes(out, begin, begin + count, codes.data(), k);
      if (with_outliers)
        outliers[static_cast<size_t>(begin / width)] = outliers_of(apart, order, begin, count);
    }
  });
  if (!with_outliers) return 0;
  std::vector<Outlier> all;
  for (const auto& each : outliers) all.insert(all.end(), each.begin(), each.end());
  return put_outliers(out, all);
}

}  // namespace farthing
