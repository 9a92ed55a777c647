// gptq: columns are rounded one after another, and each one's error is made good, as far as the
// inputs allow, by the columns that are still to come.
//
// Source: GPTQ, arXiv 2210.17323, in the form of QuIP's LDLQ (arXiv 2307.13304, theorem 6: the same
// codes): with the Gram matrix G = M D M^T, M unit upper triangular in the order in which columns
// are rounded, column j becomes Q(w[j] + sum over i < j of (w[i] - w'[i]) M[i, j]), and the squared
// error of the outputs is the sum of D[j] (moved[j] - w'[j])^2. It needs one decomposition and no
// inverse. Where we differ from the reference: scales are fixed before the first column is rounded
// and searched with what an error in each column costs (D); columns with the largest inputs come
// first by default, their groups staying where they are; a column without inputs keeps its weights
// and is rounded plainly.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/levels.h"
#include "kernels/error_feedback/error_feedback.h"
#include "quant/algorithms/cholesky.h"
#include "quant/algorithms/searched.h"

namespace farthing {
namespace {

// Columns in the order in which they are rounded.
std::vector<int64_t> order_of(View<const float, 2> gram, bool act_order) {
  std::vector<int64_t> order(static_cast<size_t>(gram.rows));
  std::iota(order.begin(), order.end(), int64_t{0});
  if (act_order)
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return gram.row(a)[a] > gram.row(b)[b]; });
  return order;
}

// M and D of the order, the last column of which is the factor's first.
struct Feedback {
  Tensor factors;              // f32 [k, k]: M[i, j], i < j
  std::vector<float> penalty;  // [k]: D
  double damping = 0;          // that was needed; 0: the decomposition failed
};

Feedback feedback_of(Context& context, View<const float, 2> gram, const std::vector<int64_t>& order,
                     double damping) {
  const int64_t k = gram.rows;
  double mean = 0;
  for (int64_t i = 0; i < k; ++i) mean += gram.row(i)[i];
  mean /= static_cast<double>(k);
  Feedback out{Tensor(DType::f32, {k, k}), std::vector<float>(static_cast<size_t>(k)), 0};
  if (!(mean > 0)) return out;
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

// 32 outputs at a time: weights gathered in order, rounded, and their codes stored.
void round_outputs(Context& context, const LayerInput& input, const std::vector<int64_t>& order,
                   const Feedback& feedback, QuantizedTensor& out) {
  constexpr int64_t width = feedback_outputs;
  const Levels levels(levels_of(*out.format, input.rule));
  const int64_t n = out.n, k = out.k, length = group_length(out),
                groups = (k + length - 1) / length;
  std::vector<int32_t> group(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j)
    group[static_cast<size_t>(j)] = static_cast<int32_t>(order[static_cast<size_t>(j)] / length);
  const auto& kernel = choose_error_feedback_kernel(context.isa);
  context.pool.run([&](Part part) {
    const auto rows = part.range(n, width);
    std::vector<float> weights(static_cast<size_t>(k * width)), level(weights), errors(weights),
        losses(static_cast<size_t>(width)), scale(static_cast<size_t>(groups * width)),
        inverse(scale), zero(scale), offset(scale);
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
                     .losses = losses.data()});
      for (int64_t j = 0; j < k; ++j)
        for (int64_t i = 0; i < count; ++i)
          codes[static_cast<size_t>(i * k + order[static_cast<size_t>(j)])] =
              levels.code(level[static_cast<size_t>(j * width + i)]);
      out.format->put_codes(out, begin, begin + count, codes.data(), k);
    }
  });
}

AlgorithmReport quantize_gptq(Context& context, const LayerInput& input, QuantizedTensor& out) {
  const View<const float, 2> gram = std::as_const(input.inputs->gram).view<float>();
  const auto plainly = [&](const std::string& why) {
    AlgorithmReport report = round_searched(context, input, input.inputs->importance(), out);
    report.fallback = why + (report.fallback.empty() ? "" : "; " + report.fallback);
    return report;
  };
  if (out.format->put_codes == nullptr)
    return plainly("imatrix in place of gptq: weights of this format have no codes of their own");
  const std::vector<int64_t> order = order_of(gram, input.options.act_order);
  const Feedback feedback = feedback_of(context, gram, order, input.options.damping);
  if (feedback.damping == 0)
    return plainly("imatrix in place of gptq: the inputs' Gram matrix has no decomposition");
  AlgorithmReport report{.damping = feedback.damping};

  std::vector<float> importance(static_cast<size_t>(out.k));
  double sum = 0;
  for (const float each : feedback.penalty) sum += each;
  const double mean = sum / static_cast<double>(out.k);
  for (size_t j = 0; j < order.size(); ++j)
    importance[static_cast<size_t>(order[j])] = static_cast<float>(feedback.penalty[j] / mean);
  report.encode = out.encode_searched(context.pool, input.weight.data, input.weight.stride,
                                      input.rule, importance.data());
  if (report.encode.nonfinite == 0 && report.encode.overflowed_scales == 0)
    round_outputs(context, input, order, feedback, out);
  return report;
}

}  // namespace

AlgorithmInfo gptq_algorithm() {
  return {.name = "gptq",
          .summary = "rounds column by column; later columns make up for the error of earlier ones",
          .needs = AlgorithmNeeds::gram,
          .quantize = quantize_gptq};
}

}  // namespace farthing
