// Routing row by row in scalar code, as experts are few; sums of rows by kernels.
#include "ops/experts/experts.h"

#include <algorithm>

#include "kernels/elementwise/elementwise.h"
#include "ops/rows.h"

namespace farthing::ops {
namespace {

// Replaces a row of logits by their softmax.
void softmax(const ElementwiseKernel& kernel, float* row, int64_t count) {
  const float largest = *std::max_element(row, row + count);
  for (int64_t e = 0; e < count; ++e) row[e] -= largest;
  kernel->exp(row, count, row);
  float sum = 0;
  for (int64_t e = 0; e < count; ++e) sum += row[e];
  for (int64_t e = 0; e < count; ++e) row[e] /= sum;
}

// The largest logits' indices, ascending.
void choose(const float* logits, int64_t count, int32_t* out, int64_t chosen) {
  for (int64_t i = 0; i < chosen; ++i) {
    int32_t best = -1;
    for (int32_t e = 0; e < count; ++e)
      if (std::find(out, out + i, e) == out + i && (best < 0 || logits[e] > logits[best])) best = e;
    out[i] = best;
  }
  std::sort(out, out + chosen);
}

float sum_of_chosen(const float* p, const int32_t* experts, int64_t chosen) {
  float sum = 0;
  for (int64_t i = 0; i < chosen; ++i) sum += p[experts[i]];
  return sum;
}

}  // namespace

void route_forward(Context& context, View<const float, 2> logits, const RoutingOptions& options,
                   View<int32_t, 2> experts, View<float, 2> weights) {
  const int64_t count = logits.columns, chosen = options.chosen;
  CHECK(chosen >= 1 && chosen <= count);
  CHECK(experts.rows == logits.rows && experts.columns == chosen);
  CHECK(weights.rows == logits.rows && weights.columns == chosen);
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  float* const p = context.workspace.take<float>(count);
  for (int64_t r = 0; r < logits.rows; ++r) {
    choose(logits.row(r), count, experts.row(r), chosen);
    std::copy_n(logits.row(r), count, p);
    softmax(kernel, p, count);
    const float sum = options.renormalize ? sum_of_chosen(p, experts.row(r), chosen) : 1.0f;
    for (int64_t i = 0; i < chosen; ++i) weights.row(r)[i] = p[experts.row(r)[i]] / sum;
  }
}

void route_backward(Context& context, View<const float, 2> logits, const RoutingOptions& options,
                    View<const int32_t, 2> experts, View<const float, 2> weight_gradient,
                    View<float, 2> logit_gradient) {
  const int64_t count = logits.columns, chosen = options.chosen;
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  float* const p = context.workspace.take<float>(count);
  for (int64_t r = 0; r < logits.rows; ++r) {
    const int32_t* const of = experts.row(r);
    const float* const g = weight_gradient.row(r);
    std::copy_n(logits.row(r), count, p);
    softmax(kernel, p, count);
    // with renormalization the weights are the softmax over the chosen ones alone
    const float sum = options.renormalize ? sum_of_chosen(p, of, chosen) : 1.0f;
    float mean = 0;
    for (int64_t i = 0; i < chosen; ++i) mean += p[of[i]] / sum * g[i];
    float* const to = logit_gradient.row(r);
    if (!options.renormalize)
      for (int64_t e = 0; e < count; ++e) to[e] -= p[e] * mean;
    for (int64_t i = 0; i < chosen; ++i)
      to[of[i]] += p[of[i]] / sum * (options.renormalize ? g[i] - mean : g[i]);
  }
}

ExpertRows group_by_expert(Workspace& workspace, View<const int32_t, 2> experts, int64_t count) {
  const int64_t entries = experts.rows * experts.columns;
  auto* const begin = workspace.take<int32_t>(count + 1);
  auto* const rows = workspace.take<int32_t>(entries);
  auto* const slots = workspace.take<int32_t>(entries);
  int32_t next = 0;
  for (int64_t e = 0; e < count; ++e) {
    begin[e] = next;
    for (int64_t r = 0; r < experts.rows; ++r)
      for (int64_t i = 0; i < experts.columns; ++i)
        if (experts.row(r)[i] == e) {
          rows[next] = static_cast<int32_t>(r);
          slots[next++] = static_cast<int32_t>(i);
        }
  }
  begin[count] = next;
  return {{begin, static_cast<size_t>(count + 1)},
          {rows, static_cast<size_t>(entries)},
          {slots, static_cast<size_t>(entries)}};
}

void add_weighted_rows(Context& context, View<const float, 2> y, std::span<const int32_t> rows,
                       std::span<const int32_t> slots, View<const float, 2> weights,
                       View<float, 2> out) {
  CHECK(y.columns == out.columns && static_cast<size_t>(y.rows) == rows.size());
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, y.rows, y.columns, [&](int64_t i) {
    const int32_t row = rows[static_cast<size_t>(i)];
    kernel->add_scaled(y.row(i), weights.row(row)[slots[static_cast<size_t>(i)]], y.columns,
                       out.row(row));
  });
}

void weighted_rows_backward(Context& context, View<const float, 2> y, std::span<const int32_t> rows,
                            std::span<const int32_t> slots, View<const float, 2> weights,
                            View<const float, 2> out_gradient, View<float, 2> y_gradient,
                            View<float, 2> weight_gradient) {
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, y.rows, y.columns, [&](int64_t i) {
    const int32_t row = rows[static_cast<size_t>(i)], slot = slots[static_cast<size_t>(i)];
    kernel->add_scaled(out_gradient.row(row), weights.row(row)[slot], y.columns, y_gradient.row(i));
    weight_gradient.row(row)[slot] += kernel->dot(out_gradient.row(row), y.row(i), y.columns);
  });
}

}  // namespace farthing::ops
