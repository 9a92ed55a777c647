// Mixture of experts: which experts each row goes to, and how their outputs come together.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"

namespace farthing::ops {

// What a router's logits are made into, for each expert.
enum class ExpertScores { softmax, sigmoid };

// How a row's experts and their weights come from the router's logits.
struct RoutingOptions {
  int64_t chosen = 1;        // experts that a row goes to
  bool renormalize = false;  // the weights of the chosen ones add up to `factor`
  ExpertScores scores = ExpertScores::softmax;
  float factor = 1;  // of the weights
  // Experts come from the best groups of consecutive ones alone; a group is as good as its best
  // experts, `best_of_group` of them, together.
  int64_t groups = 1, chosen_groups = 1, best_of_group = 1;
  const float* choice_bias = nullptr;  // [experts]: added to scores where experts are chosen
};

// The rows of a batch by expert: expert e has entries [begin[e], begin[e + 1]) of `rows` and
// `slots`; its row rows[i] has it as its slots[i]-th.
struct ExpertRows {
  std::span<const int32_t> begin, rows, slots;
};

// Of each row the experts of the `chosen` largest logits [m, experts], or of the largest scores +
// bias where there is one or sums of them choose groups, the lower index where two are equal, in
// the order of their index, to experts [m, chosen]; and their scores, divided by their sum where
// `renormalize` asks for it, times `factor`, to weights [m, chosen]. Sums in ascending order of the
// experts. fixed_order.
void route_forward(Context& context, View<const float, 2> logits, const RoutingOptions& options,
                   View<int32_t, 2> experts, View<float, 2> weights);

// Adds the gradient of the weights to that of the logits; which experts are chosen has none.
// fixed_order.
void route_backward(Context& context, View<const float, 2> logits, const RoutingOptions& options,
                    View<const int32_t, 2> experts, View<const float, 2> weight_gradient,
                    View<float, 2> logit_gradient);

// In the workspace; rows ascend within an expert.
ExpertRows group_by_expert(Workspace& workspace, View<const int32_t, 2> experts, int64_t count);

// out[rows[i]] = fma(y[i], weights[rows[i]][slots[i]], out[rows[i]]); no row twice. fixed_order.
void add_weighted_rows(Context& context, View<const float, 2> y, std::span<const int32_t> rows,
                       std::span<const int32_t> slots, View<const float, 2> weights,
                       View<float, 2> out);

// Adds the gradients of add_weighted_rows to those of y and of the weights. fixed_order.
void weighted_rows_backward(Context& context, View<const float, 2> y, std::span<const int32_t> rows,
                            std::span<const int32_t> slots, View<const float, 2> weights,
                            View<const float, 2> out_gradient, View<float, 2> y_gradient,
                            View<float, 2> weight_gradient);

}  // namespace farthing::ops
