// Tests of the recommendation.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/example_report.h"

namespace farthing {
namespace {

Recommendation recommend_among(std::vector<CompareRow> rows) {
  return recommend(example_report(std::move(rows)), 0.05);
}

const Advice* find(const std::vector<Advice>& list, const std::string& name) {
  const auto at = std::find_if(list.begin(), list.end(),
                               [&](const Advice& advice) { return advice.name == name; });
  return at == list.end() ? nullptr : &*at;
}

bool any_contains(const std::vector<std::string>& texts, const std::string& part) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

TEST(Recommendation, IsTheSmallestWithinTheBound) {
  const Recommendation r =
      recommend_among({example_row("large", 200, 0.001, 20), example_row("medium", 100, 0.01, 20),
                       example_row("small", 50, 0.2, 20)});
  EXPECT_TRUE(r.within_bound);
  EXPECT_EQ(r.name, "medium");
  EXPECT_NE(r.headline.find("medium"), std::string::npos);
  ASSERT_NE(find(r.alternatives, "small"), nullptr);
  EXPECT_NE(find(r.alternatives, "small")->reason.find("0.200"), std::string::npos);
  ASSERT_NE(find(r.alternatives, "large"), nullptr);
}

TEST(Recommendation, WhatCannotBeServedIsNotRecommendedUnlessThereIsNothingElse) {
  CompareRow dependent = example_row("small@int8_tensor", 50, 0.001, 90);
  dependent.activations = "int8_tensor";
  const Recommendation r = recommend_among({dependent, example_row("large", 200, 0.01, 20)});
  EXPECT_EQ(r.name, "large");
  EXPECT_TRUE(r.alternatives.empty());
  EXPECT_EQ(recommend_among({dependent}).name, "small@int8_tensor");
}

TEST(Recommendation, AnIntervalThatReachesBeyondTheBoundDoesNotCount) {
  CompareRow unsure = example_row("unsure", 50, 0.049, 20);
  unsure.quality.kl_mean.high = 0.051;
  const Recommendation r = recommend_among({example_row("sure", 100, 0.01, 20), unsure});
  EXPECT_EQ(r.name, "sure");
}

TEST(Recommendation, NoneWithinTheBoundIsSaid) {
  const Recommendation r =
      recommend_among({example_row("bad", 50, 0.3, 20), example_row("worse", 40, 0.5, 20)});
  EXPECT_FALSE(r.within_bound);
  EXPECT_EQ(r.name, "bad");
  EXPECT_NE(r.headline.find("None"), std::string::npos);
}

TEST(Recommendation, AFormatThatIsNoSmallerThanTheModelIsNotWorthIt) {
  const Recommendation r = recommend_among({example_row("large", 600, 0.001, 20)});
  EXPECT_NE(r.headline.find("Keep the model as it is"), std::string::npos) << r.headline;
}

TEST(Recommendation, OfOneSizeTheSurelyFasterIsTaken) {
  const Recommendation r =
      recommend_among({example_row("slow", 100, 0.010, 20), example_row("quick", 100, 0.011, 30)});
  EXPECT_EQ(r.name, "quick");
  // It is also the less faithful, and says so.
  EXPECT_NE(find(r.alternatives, "slow"), nullptr);
}

TEST(Recommendation, OfOneSizeAndSpeedTheCloserIsTaken) {
  CompareRow a = example_row("a", 100, 0.011, 20), b = example_row("b", 100, 0.010, 19.9);
  EXPECT_EQ(recommend_among({a, b}).name, "b");
  // A higher median within the runs' spread is no speed.
  a.speed.decode = {24, 15, 30};
  EXPECT_EQ(recommend_among({a, b}).name, "b");
}

TEST(Recommendation, WhatAnotherBeatsInEverythingIsWarnedOf) {
  const Recommendation r =
      recommend_among({example_row("good", 100, 0.01, 20), example_row("beaten", 120, 0.02, 20)});
  ASSERT_NE(find(r.avoid, "beaten"), nullptr);
  EXPECT_NE(find(r.avoid, "beaten")->reason.find("good"), std::string::npos);
  EXPECT_EQ(find(r.avoid, "good"), nullptr);
}

TEST(Recommendation, ADifferenceWithinTheNoiseIsCalledSo) {
  CompareRow a = example_row("a", 100, 0.01, 20), b = example_row("b", 101, 0.01, 20);
  // Half of the windows favour the one, half the other.
  for (size_t i = 0; i < b.window_kl.size(); ++i)
    b.window_kl[i] = a.window_kl[i] + (i % 2 == 0 ? 0.001 : -0.00099);
  EXPECT_TRUE(any_contains(recommend_among({a, b}).cautions, "not significant"));
  for (size_t i = 0; i < b.window_kl.size(); ++i) b.window_kl[i] = a.window_kl[i] + 0.001;
  EXPECT_FALSE(any_contains(recommend_among({a, b}).cautions, "not significant"));
}

TEST(Recommendation, FailedRowsAreLeftOut) {
  const Recommendation r =
      recommend_among({failed_row("f16", "too large"), example_row("int8_row", 100, 0.01, 20)});
  EXPECT_EQ(r.name, "int8_row");
}

TEST(Recommendation, FewWindowsAreACaution) {
  CompareReport report = example_report({example_row("a", 100, 0.01, 20)});
  EXPECT_FALSE(any_contains(recommend(report, 0.05).cautions, "rough"));
  report.protocol.windows = 4;
  EXPECT_TRUE(any_contains(recommend(report, 0.05).cautions, "rough"));
}

}  // namespace
}  // namespace farthing
