// Routing to experts: which are chosen, their weights and gradients, and sums in a fixed order.
#include "ops/experts/experts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace farthing {
namespace {

using ops::RoutingOptions;

View<float, 2> rows_of(std::vector<float>& v, int64_t columns) {
  return {v.data(), static_cast<int64_t>(v.size()) / columns, columns, columns};
}

struct Routed {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

Routed route(std::vector<float> logits, int64_t count, const RoutingOptions& options) {
  ContextOwner owner(1, supported_isas().back());
  const int64_t m = static_cast<int64_t>(logits.size()) / count, chosen = options.chosen;
  Routed out{std::vector<int32_t>(static_cast<size_t>(m * chosen)),
             std::vector<float>(static_cast<size_t>(m * chosen))};
  ops::route_forward(owner.get(), rows_of(logits, count), options,
                     {out.experts.data(), m, chosen, chosen}, rows_of(out.weights, chosen));
  return out;
}

TEST(Routing, OfEqualLogitsTheLowerIndexIsChosen) {
  const Routed out = route({1, 3, 2, 3, 3}, 5, {2, true});
  EXPECT_EQ(out.experts, (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(out.weights, (std::vector<float>{0.5f, 0.5f}));
}

TEST(Routing, WeightsAreTheSoftmaxOverAllExpertsAtTheChosenOnes) {
  const std::vector<float> logits = {0.5f, -1.0f, 2.0f, 1.5f};
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  const Routed out = route(logits, 4, {2, false});
  EXPECT_EQ(out.experts, (std::vector<int32_t>{2, 3}));
  EXPECT_NEAR(out.weights[0], std::exp(2.0) / sum, 2e-7);
  EXPECT_NEAR(out.weights[1], std::exp(1.5) / sum, 2e-7);
}

TEST(Routing, RenormalizedWeightsAddUpToOne) {
  const Routed out = route({0.5f, -1.0f, 2.0f, 1.5f}, 4, {3, true});
  EXPECT_NEAR(out.weights[0] + out.weights[1] + out.weights[2], 1.0f, 2e-7);
}

TEST(Routing, OfTheBestGroupsAloneAreExpertsChosen) {
  // three groups of two
  const RoutingOptions two{.chosen = 3, .groups = 3, .chosen_groups = 2, .best_of_group = 2};
  const std::vector<float> logits = {3, 2, 4.5f, 0, 1.5f, 4};
  const RoutingOptions one{.chosen = 3, .groups = 3, .chosen_groups = 2};
  EXPECT_EQ(route(logits, 6, two).experts, (std::vector<int32_t>{2, 4, 5}));
  EXPECT_EQ(route(logits, 6, one).experts, (std::vector<int32_t>{2, 4, 5}));
  // sigmoids of large logits are all near 1: what is in a group beside its best counts
  const RoutingOptions sigmoids{.chosen = 3,
                                .scores = ops::ExpertScores::sigmoid,
                                .groups = 3,
                                .chosen_groups = 2,
                                .best_of_group = 2};
  EXPECT_EQ(route(logits, 6, sigmoids).experts, (std::vector<int32_t>{0, 1, 5}));
}

TEST(Routing, AChoiceBiasMovesTheChoiceButNoWeight) {
  const float bias[] = {0, 0.6f, 0};
  RoutingOptions options{.chosen = 1, .scores = ops::ExpertScores::sigmoid, .factor = 3};
  EXPECT_EQ(route({1, 0, -1}, 3, options).experts, (std::vector<int32_t>{0}));
  options.choice_bias = bias;
  const Routed out = route({1, 0, -1}, 3, options);
  EXPECT_EQ(out.experts, (std::vector<int32_t>{1}));
  EXPECT_EQ(out.weights, (std::vector<float>{1.5f}));  // 3 sigmoid(0)
}

TEST(Routing, SigmoidsOfFarLogitsAreRenormalizedWithoutNaN) {
  const Routed out = route({-200, -300}, 2, {2, true, ops::ExpertScores::sigmoid});
  EXPECT_EQ(out.weights, (std::vector<float>{0, 0}));
}

TEST(Routing, GroupsHoldEachRowOnceForEachOfItsExperts) {
  Workspace workspace;
  std::vector<int32_t> experts = {0, 2, 1, 2, 0, 1};
  const auto of = ops::group_by_expert(workspace, {experts.data(), 3, 2, 2}, 4);
  EXPECT_EQ(std::vector<int32_t>(of.begin.begin(), of.begin.end()),
            (std::vector<int32_t>{0, 2, 4, 6, 6}));
  EXPECT_EQ(std::vector<int32_t>(of.rows.begin(), of.rows.end()),
            (std::vector<int32_t>{0, 2, 1, 2, 0, 1}));
  EXPECT_EQ(std::vector<int32_t>(of.slots.begin(), of.slots.end()),
            (std::vector<int32_t>{0, 0, 0, 1, 1, 1}));
}

// Of sum_i g_i w_i, in double; steps of 1e-5 leave 1e-10 of curvature, f32 roundings 2e-6.
TEST(Routing, GradientsAgreeWithFiniteDifferences) {
  const std::vector<double> base = {0.5, -1.0, 2.0, 1.5, 0.1};
  const float g[] = {0.7f, -1.3f};
  const auto score = [](ops::ExpertScores kind, double x) {
    return kind == ops::ExpertScores::softmax ? std::exp(x) : 1 / (1 + std::exp(-x));
  };
  for (const auto scores : {ops::ExpertScores::softmax, ops::ExpertScores::sigmoid}) {
    for (const bool renormalize : {false, true}) {
      const auto loss = [&](const std::vector<double>& x) {
        double sum = 0;  // that the scores are divided by
        for (size_t i = 0; i < 5; ++i)
          if (renormalize ? i == 2 || i == 3 : scores == ops::ExpertScores::softmax)
            sum += score(scores, x[i]);
        if (sum == 0) sum = 1;
        return 2.5 * (g[0] * score(scores, x[2]) + g[1] * score(scores, x[3])) / sum;
      };
      ContextOwner owner(1, supported_isas().back());
      std::vector<float> logits(base.begin(), base.end()), gradient(5, 0.0f), of(g, g + 2);
      const int32_t experts[] = {2, 3};
      ops::route_backward(owner.get(), rows_of(logits, 5), {2, renormalize, scores, 2.5f},
                          {experts, 1, 2, 2}, rows_of(of, 2), rows_of(gradient, 5));
      for (size_t i = 0; i < 5; ++i) {
        auto high = base, low = base;
        high[i] += 1e-5;
        low[i] -= 1e-5;
        EXPECT_NEAR(gradient[i], (loss(high) - loss(low)) / 2e-5, 2e-6) << i << renormalize;
      }
    }
  }
}

TEST(WeightedRows, AreAddedWhereTheyCameFrom) {
  ContextOwner owner(2, supported_isas().back());
  std::vector<float> y = {1, 2, 3, 4}, weights = {0.5f, 2.0f, 4.0f, 8.0f, 0, 0}, out(6, 1.0f);
  const int32_t rows[] = {0, 2}, slots[] = {1, 0};
  ops::add_weighted_rows(owner.get(), rows_of(y, 2), rows, slots, rows_of(weights, 2),
                         rows_of(out, 2));
  EXPECT_EQ(out, (std::vector<float>{3, 5, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace farthing
