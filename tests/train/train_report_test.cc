// Facts about the page of a training run.
#include "train/report/train_report.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/json.h"
#include "train/report/curves.h"

namespace farthing {
namespace {

std::vector<TrainStep> steps_of(int64_t count) {
  std::vector<TrainStep> out;
  for (int64_t i = 1; i <= count; ++i)
    out.push_back({.step = i,
                   .loss = 2.0 + 1.0 / static_cast<double>(i),
                   .gradient_norm = 1.5,
                   .learning_rate = 1e-3 / static_cast<double>(i),
                   .tokens = 100 + i,
                   .seconds = 0.5});
  return out;
}

JsonObject data_of(const std::string& html) {
  const std::string mark = "id=\"report-data\">";
  const size_t from = html.find(mark) + mark.size();
  auto json = JsonObject::parse(html.substr(from, html.find("</script>", from) - from), "data");
  EXPECT_TRUE(json) << json.error().text();
  return *json;
}

std::string visible(const std::string& html) { return html.substr(0, html.find("<script")); }

TEST(Curves, EachStepIsAPointWhereThereIsRoom) {
  const auto steps = steps_of(50);
  const auto points = curve_points(steps, 50);
  ASSERT_EQ(points.size(), 50u);
  for (size_t i = 0; i < points.size(); ++i) {
    EXPECT_EQ(points[i].step, steps[i].step);
    EXPECT_EQ(points[i].loss, steps[i].loss);
    EXPECT_EQ(points[i].tokens_per_second, static_cast<double>(steps[i].tokens) / 0.5);
  }
}

TEST(Curves, APointOfManyStepsIsTheirMean) {
  const auto steps = steps_of(25);
  const auto points = curve_points(steps, 10);
  ASSERT_EQ(points.size(), 9u);  // of three steps, the last of one
  EXPECT_EQ(points[0].step, 3);
  EXPECT_NEAR(points[0].loss, 2 + (1 + 1 / 2.0 + 1 / 3.0) / 3, 1e-15);  // three roundings below 4
  EXPECT_NEAR(points[0].tokens_per_second, 306 / 1.5, 1e-12);
  EXPECT_EQ(points[0].learning_rate, steps[2].learning_rate);
  EXPECT_EQ(points[8].step, 25);
  EXPECT_EQ(points[8].loss, steps[24].loss);
}

TEST(Curves, TheSmoothedLossBeginsAtTheFirstAndWeighsTheNewerMore) {
  std::vector<TrainStep> steps = steps_of(3);
  steps[0].loss = 8;
  steps[1].loss = 4;
  steps[2].loss = 2;
  ASSERT_EQ(smoothing_steps(3), 2);  // weights 1, 1/2, 1/4
  const auto points = curve_points(steps, 100);
  EXPECT_EQ(points[0].smoothed_loss, 8);
  EXPECT_NEAR(points[1].smoothed_loss, (4 + 8 / 2.0) / 1.5, 1e-14);
  EXPECT_NEAR(points[2].smoothed_loss, (2 + 4 / 2.0 + 8 / 4.0) / 1.75, 1e-14);
}

TEST(TrainHtml, HoldsTheCurvesTheHeldOutLossesAndTheLastSteps) {
  TrainReport report{.model = "models/example",
                     .scheme = "int4_g32",
                     .notes = {},
                     .facts = {},
                     .settings = {{"seed", "17"}},
                     .planned_steps = 60,
                     .finished = false,
                     .first_evaluation = std::log(20.0),
                     .steps = steps_of(40)};
  report.steps[29].evaluation_loss = std::log(10.0);
  const std::string html = train_html(report);
  const JsonObject data = data_of(html);
  EXPECT_EQ(*data.boolean("finished"), false);
  const std::string text = data.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '['), 1 + 40 + 1 + 2);
  for (const std::string part : {"example", "int4_g32", "step 40 of 60", "seed", "17",
                                 "held-out perplexity at step 30; 20.0 before training", ">10.0<"})
    EXPECT_NE(visible(html).find(part), std::string::npos) << part;
  EXPECT_NE(visible(html).find("<tr><td>40</td>"), std::string::npos);
  EXPECT_NE(visible(html).find("<tr><td>21</td>"), std::string::npos);
  EXPECT_EQ(visible(html).find("<tr><td>20</td>"), std::string::npos);  // the last 20 alone
  report.finished = true;
  EXPECT_EQ(*data_of(train_html(report)).boolean("finished"), true);
  EXPECT_EQ(visible(train_html(report)).find("loads itself"), std::string::npos);
}

TEST(TrainHtml, ARunWithoutAStepHasAPage) {
  TrainReport report;
  report.model = "models/example";
  report.scheme = "f32";
  report.planned_steps = 10;
  EXPECT_NE(visible(train_html(report)).find("step 0 of 10"), std::string::npos);
}

TEST(TrainHtml, HostileNamesStayText) {
  const std::string hostile = "x</script><script>alert(1)</script><!--&\"'";
  TrainReport report;
  report.model = report.scheme = hostile;
  report.notes = {hostile};
  report.facts = report.settings = {{hostile, hostile}};
  const std::string html = train_html(report);
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_EQ(html.find("<!--"), std::string::npos);
}

}  // namespace
}  // namespace farthing
