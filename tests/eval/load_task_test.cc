// Finding tasks and their questions.
#include "eval/tasks/load_task.h"

#include <gtest/gtest.h>

#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

std::string rows(int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += R"({"query": "Question: )" + std::to_string(i) +
           R"(?", "choices": ["x", "y"], "gold": 1})" + "\n";
  return out;
}

TEST(LoadTask, EveryTaskOfTheListHasItsOwnName) {
  for (const Task& task : all_tasks()) EXPECT_EQ(find_task(task.name), &task) << task.name;
}

TEST(LoadTask, EveryBuiltInTaskIsRead) {
  ASSERT_FALSE(built_in_task_names().empty());
  for (const std::string& name : built_in_task_names()) {
    const auto task = load_task(name, {});
    ASSERT_TRUE(task) << task.error().text();
    EXPECT_GE(task->items.size(), 32u) << name;
    EXPECT_EQ(task->digest.size(), 32u);
  }
}

TEST(LoadTask, ATaskThatIsNotBuiltInAsksForItsFolder) {
  const auto task = load_task("piqa", {});
  ASSERT_FALSE(task);
  EXPECT_NE(task.error().wanted.find("piqa.jsonl"), std::string::npos);
  EXPECT_NE(task.error().remedy.find("--task-data"), std::string::npos);
}

TEST(LoadTask, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const auto task = load_task("arc_hard", {});
  ASSERT_FALSE(task);
  EXPECT_NE(task.error().wanted.find("arc_challenge"), std::string::npos);
}

TEST(LoadTask, ANameCannotLeaveTheFolder) {
  const ScratchFolder folder;
  write_all(folder / "own.jsonl", rows(2));
  std::filesystem::create_directory(folder / "data");
  EXPECT_FALSE(load_task("../own", {.data = folder / "data"}));
}

TEST(LoadTask, AFileOfTheFolderIsScoredAsItStands) {
  const ScratchFolder folder;
  write_all(folder / "own.jsonl", rows(2));
  const auto task = load_task("own", {.data = folder.path()});
  ASSERT_TRUE(task) << task.error().text();
  EXPECT_EQ(task->items[1].choices[0].context, "Question: 1?");
  EXPECT_EQ(task->items[1].choices[0].text, " x");
  EXPECT_EQ(task->task.metrics[1].name, "acc_norm");
}

TEST(LoadTask, ExamplesStandInFrontAndAreNotScored) {
  const ScratchFolder folder;
  write_all(folder / "arc_easy.jsonl", rows(5));
  const auto task = load_task("arc_easy", {.data = folder.path(), .num_fewshot = 2});
  ASSERT_TRUE(task) << task.error().text();
  ASSERT_EQ(task->items.size(), 3u);
  EXPECT_EQ(task->items[0].choices[0].context,
            "Question: 0?\nAnswer: y\n\nQuestion: 1?\nAnswer: y\n\nQuestion: 2?\nAnswer:");
}

TEST(LoadTask, TheLimitCountsScoredQuestions) {
  const ScratchFolder folder;
  write_all(folder / "arc_easy.jsonl", rows(5));
  const auto task = load_task("arc_easy", {.data = folder.path(), .limit = 2, .num_fewshot = 2});
  ASSERT_TRUE(task) << task.error().text();
  EXPECT_EQ(task->items.size(), 2u);
  EXPECT_EQ(load_task("arc_easy", {.data = folder.path(), .limit = 9})->items.size(), 5u);
}

TEST(LoadTask, NoQuestionBehindTheExamplesIsAnError) {
  const ScratchFolder folder;
  write_all(folder / "arc_easy.jsonl", rows(2));
  const auto task = load_task("arc_easy", {.data = folder.path(), .num_fewshot = 2});
  ASSERT_FALSE(task);
  EXPECT_EQ(task.error().got, "2 rows, 2 of them examples");
}

TEST(LoadTask, APromptWithExamplesOfItsOwnTakesNoOthers) {
  EXPECT_TRUE(load_task("truthfulqa_mc1", {.num_fewshot = 0}));
  const auto task = load_task("truthfulqa_mc1", {.num_fewshot = 1});
  ASSERT_FALSE(task);
  EXPECT_EQ(task.error().where, "--num-fewshot");
}

TEST(LoadTask, EightProblemsStandInFrontOfGsm8kAndAreNotScored) {
  const auto task = load_task("gsm8k", {});
  ASSERT_TRUE(task) << task.error().text();
  EXPECT_EQ(task->items.size(), 32u);
  const std::string& prompt = task->items[0].prompt;
  size_t questions = 0;
  for (size_t at = 0; (at = prompt.find("Question: ", at)) != std::string::npos; ++at) ++questions;
  EXPECT_EQ(questions, 9u);
  EXPECT_TRUE(prompt.ends_with("\nAnswer:"));
}

}  // namespace
}  // namespace farthing
