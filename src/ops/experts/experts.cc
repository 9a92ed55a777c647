// Routing row by row in scalar code, as experts are few; sums of rows by kernels.
#include "ops/experts/experts.h"

#include <algorithm>
#include <limits>

#include "base/rehearsal.h"

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

// Replaces a row of logits by 1 / (1 + e^-x).
void sigmoid(const ElementwiseKernel& kernel, float* row, int64_t count) {
  for (int64_t e = 0; e < count; ++e) row[e] = -row[e];
  kernel->exp(row, count, row);
  for (int64_t e = 0; e < count; ++e) row[e] = 1.0f / (1.0f + row[e]);
}

void scores_of(const ElementwiseKernel& kernel, const float* logits, int64_t count,
               ExpertScores kind, float* out) {
  std::copy_n(logits, count, out);
  if (kind == ExpertScores::softmax) return softmax(kernel, out, count);
  sigmoid(kernel, out, count);
}

// The largest values' indices, ascending.
void choose(const float* values, int64_t count, int32_t* out, int64_t chosen) {
  for (int64_t i = 0; i < chosen; ++i) {
    int32_t best = -1;
    for (int32_t e = 0; e < count; ++e)
      if (std::find(out, out + i, e) == out + i && (best < 0 || values[e] > values[best])) best = e;
    out[i] = best;
  }
  std::sort(out, out + chosen);
}

// The sum of the `most` largest values, in ascending order of their index.
float sum_of_largest(Workspace& workspace, const float* values, int64_t count, int64_t most) {
  const Workspace::Mark mark(workspace);
  auto* const of = workspace.take<int32_t>(most);
  choose(values, count, of, most);
  float sum = values[of[0]];
  for (int64_t i = 1; i < most; ++i) sum += values[of[i]];
  return sum;
}

// Makes the values of all groups but the best -infinity.
void leave_best_groups(Workspace& workspace, const RoutingOptions& options, float* values,
                       int64_t count) {
  const Workspace::Mark mark(workspace);
  const int64_t groups = options.groups, size = count / groups;
  auto* const of_group = workspace.take<float>(groups);
  auto* const best = workspace.take<int32_t>(options.chosen_groups);
  for (int64_t g = 0; g < groups; ++g)
    of_group[g] = sum_of_largest(workspace, values + g * size, size, options.best_of_group);
  choose(of_group, groups, best, options.chosen_groups);
  for (int32_t g = 0; g < groups; ++g)
    if (!std::binary_search(best, best + options.chosen_groups, g))
      std::fill_n(values + g * size, size, -std::numeric_limits<float>::infinity());
}

// Never 0, as sigmoids of far logits may all be.
float sum_of_chosen(const float* p, const int32_t* experts, int64_t chosen) {
  float sum = 0;
  for (int64_t i = 0; i < chosen; ++i) sum += p[experts[i]];
  return sum + 1e-20f;
}

}  // namespace

void route_forward(Context& context, View<const float, 2> logits, const RoutingOptions& options,
                   View<int32_t, 2> experts, View<float, 2> weights) {
  const int64_t count = logits.columns, chosen = options.chosen;
  CHECK(chosen >= 1 && chosen <= count / options.groups * options.chosen_groups);
  CHECK(count % options.groups == 0 && options.best_of_group <= count / options.groups);
  CHECK(experts.rows == logits.rows && experts.columns == chosen);
  CHECK(weights.rows == logits.rows && weights.columns == chosen);
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  float* const p = context.workspace.take<float>(count);
  float* const values = context.workspace.take<float>(count);
  for (int64_t r = 0; r < logits.rows; ++r) {
    int32_t* const of = experts.row(r);
    if (rehearsing()) {  // every expert gets as many rows
      for (int64_t i = 0; i < chosen; ++i) of[i] = static_cast<int32_t>((r * chosen + i) % count);
      std::sort(of, of + chosen);
      continue;
    }
    scores_of(kernel, logits.row(r), count, options.scores, p);
    const bool by_scores = options.choice_bias != nullptr || options.best_of_group > 1;
    std::copy_n(by_scores ? p : logits.row(r), count, values);
    if (options.choice_bias != nullptr)
      for (int64_t e = 0; e < count; ++e) values[e] += options.choice_bias[e];
    if (options.groups > 1) leave_best_groups(context.workspace, options, values, count);
    choose(values, count, of, chosen);
    const float sum = options.renormalize ? sum_of_chosen(p, of, chosen) : 1.0f;
    for (int64_t i = 0; i < chosen; ++i) weights.row(r)[i] = p[of[i]] / sum * options.factor;
  }
}

void route_backward(Context& context, View<const float, 2> logits, const RoutingOptions& options,
                    View<const int32_t, 2> experts, View<const float, 2> weight_gradient,
                    View<float, 2> logit_gradient) {
  const int64_t count = logits.columns, chosen = options.chosen;
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  float* const p = context.workspace.take<float>(count);
  if (rehearsing()) return;
  for (int64_t r = 0; r < logits.rows; ++r) {
    const int32_t* const of = experts.row(r);
    const float* const g = weight_gradient.row(r);
    scores_of(kernel, logits.row(r), count, options.scores, p);
    const float sum = options.renormalize ? sum_of_chosen(p, of, chosen) : 1.0f;
    float mean = 0;
    for (int64_t i = 0; i < chosen; ++i) mean += p[of[i]] / sum * options.factor * g[i];
    float* const to = logit_gradient.row(r);
    const bool softmax_of_all = options.scores == ExpertScores::softmax && !options.renormalize;
    if (softmax_of_all)
      for (int64_t e = 0; e < count; ++e) to[e] -= p[e] * mean;
    for (int64_t i = 0; i < chosen; ++i) {
      // of the softmax's renormalized weights, which are a softmax over the chosen ones alone, and
      // of the sigmoid's, where each score has a slope of p (1 - p)
      const float slope = options.scores == ExpertScores::sigmoid ? 1.0f - p[of[i]] : 1.0f;
      const float rest = options.renormalize ? mean : 0.0f;
      to[of[i]] += p[of[i]] / sum * slope * (options.factor * g[i] - rest);
    }
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
