// What each task makes of a row: prompts and answers as lm-evaluation-harness writes them.
#include <gtest/gtest.h>

#include "eval/tasks/choices.h"

namespace farthing {
namespace {

TaskItem item_of(const char* task, const std::string& row) {
  const auto item = find_task(task)->read(JsonObject::parse(row, "row").value());
  if (item) return *item;
  ADD_FAILURE() << item.error().text();
  return {};
}

TEST(TaskItems, ArcAsksWithAnAnswerLine) {
  for (const char* task : {"arc_easy", "arc_challenge"}) {
    const TaskItem item = item_of(
        task, R"({"query": "Question: What is wet?", "choices": ["sand", "rain"], "gold": 1})");
    ASSERT_EQ(item.choices.size(), 2u);
    EXPECT_EQ(item.choices[1].context, "Question: What is wet?\nAnswer:");
    EXPECT_EQ(item.choices[1].text, " rain");
    EXPECT_FALSE(item.choices[0].correct);
    EXPECT_TRUE(item.choices[1].correct);
  }
}

TEST(TaskItems, PiqaDropsTheLineEndsOfTheQuery) {
  const TaskItem item = item_of(
      "piqa",
      R"({"query": "Question: dresser\n\n", "choices": ["a drawer", "a fork"], "gold": 0})");
  EXPECT_EQ(item.choices[0].context, "Question: dresser\nAnswer:");
  EXPECT_EQ(item.choices[0].text, " a drawer");
}

TEST(TaskItems, WinograndeScoresTheSameEndBehindEachBeginning) {
  const TaskItem item =
      item_of("winogrande", R"({"context_options": ["Ann saw Bo, so Ann", "Ann saw Bo, so Bo"],
                        "continuation": "waved.", "gold": 0})");
  ASSERT_EQ(item.choices.size(), 2u);
  EXPECT_EQ(item.choices[0].context, "Ann saw Bo, so Ann");
  EXPECT_EQ(item.choices[1].context, "Ann saw Bo, so Bo");
  EXPECT_EQ(item.choices[0].text, " waved.");
  EXPECT_EQ(item.choices[1].text, " waved.");
}

TEST(TaskItems, BoolqHasNoLabelInFrontOfThePassage) {
  const TaskItem item = item_of(
      "boolq",
      R"({"query": "Passage: Ice floats.\nQuestion: does ice float?", "choices": ["no", "yes"], "gold": 1})");
  EXPECT_EQ(item.choices[0].context, "Ice floats.\nQuestion: does ice float?\nAnswer:");
  EXPECT_EQ(item.choices[1].text, " yes");
}

TEST(TaskItems, OpenbookqaHasTheQuestionAlone) {
  const TaskItem item = item_of(
      "openbookqa", R"({"query": "Predators eat", "choices": ["lions", "grass"], "gold": 0})");
  EXPECT_EQ(item.choices[0].context, "Predators eat");
  EXPECT_EQ(item.choices[0].text, " lions");
}

TEST(TaskItems, CopaHasNoCommaAndTwoSpaces) {
  const TaskItem item = item_of(
      "copa",
      R"({"query": "It rained, therefore", "choices": ["he got wet.", "he sang."], "gold": 0})");
  EXPECT_EQ(item.choices[0].context, "It rained therefore");
  EXPECT_EQ(item.choices[0].text, "  he got wet.");
  EXPECT_EQ(item_of("copa", R"({"query": "He ran, fast, because", "choices": ["a"], "gold": 0})")
                .choices[0]
                .context,
            "He ran, fast because");
}

TEST(TaskItems, ARightAnswerThatIsNoneOfTheAnswersIsRefused) {
  for (const char* gold : {"2", "-1"}) {
    const auto item =
        find_task("arc_easy")
            ->read(JsonObject::parse(R"({"query": "q", "choices": ["a", "b"], "gold": )" +
                                         std::string(gold) + "}",
                                     "rows, line 7")
                       .value());
    ASSERT_FALSE(item) << gold;
    EXPECT_EQ(item.error().where, "rows, line 7, gold");
  }
}

TEST(TaskItems, AnEmptyAnswerIsRefused) {
  const auto item = find_task("piqa")->read(
      JsonObject::parse(R"({"query": "q", "choices": ["a", ""], "gold": 0})", "row").value());
  ASSERT_FALSE(item);
  EXPECT_EQ(item.error().where, "row, choices[1]");
}

const TaskItem three{.choices = {{"q", " a", false}, {"q", " bbbb", true}, {"q", " cc", false}}};

TEST(Accuracy, TheMostLikelyAnswerCounts) {
  EXPECT_EQ(judge_accuracy(three, {.log_likelihoods = {-3, -2, -4}}), std::vector<double>{1});
  EXPECT_EQ(judge_accuracy(three, {.log_likelihoods = {-1, -2, -4}}), std::vector<double>{0});
}

TEST(Accuracy, OfEqualAnswersTheFirstCounts) {
  const TaskItem two{.choices = {{"q", " a", true}, {"q", " b", false}}};
  EXPECT_EQ(judge_accuracy(two, {.log_likelihoods = {-2, -2}}), std::vector<double>{1});
}

TEST(Accuracy, NormalisedByTheAnswersLengthWithoutItsSpace) {
  // For each character -2, -1.5, -1.9; with the spaces counted it would be -1, -1.2, -1.27.
  EXPECT_EQ(judge_accuracies(three, {.log_likelihoods = {-2, -6, -3.8}}),
            (std::vector<double>{0, 1}));
}

TEST(Accuracy, LengthIsInCharactersNotBytes) {
  // Two characters of three bytes against four of one: -2 and -1.25 each; by bytes -0.67 and -1.25.
  const TaskItem item{.choices = {{"q", " \u4e2d\u6587", false}, {"q", " four", true}}};
  EXPECT_EQ(judge_accuracies(item, {.log_likelihoods = {-4, -5}}), (std::vector<double>{0, 1}));
}

}  // namespace
}  // namespace farthing
