// Task: questions with answers that are scored, as lm-evaluation-harness defines them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/json.h"

namespace farthing {

// An answer of a multiple choice: `text` is scored, spaces at its start included, where it follows
// `context`.
struct Choice {
  std::string context, text;
  bool correct = false;
};

// One question as a model reads it.
struct TaskItem {
  std::vector<Choice> choices = {};  // of a multiple choice
  std::string prompt = {};           // of what is generated: continued greedily
  std::string target = {};           // what a model that solves it writes behind the prompt
  std::vector<std::string> references = {}, wrong_references = {};  // that it is compared with

  // Question and right answer, as an example in front of another question.
  std::string solved() const;
};

// What a model made of an item.
struct TaskResponse {
  std::vector<double> log_likelihoods = {};  // of each choice's text, nats
  std::string text = {};                     // that was generated

  bool operator==(const TaskResponse&) const = default;
};

// A number for each item; a task's value is their mean.
struct TaskMetric {
  std::string_view name;
  double points = 100;  // of one unit: accuracies count from 0 to 1, BLEU and ROUGE to 100
  bool answer = true;   // 0 or 1: whether the answer is right
};

// How an answer is generated.
struct TaskGeneration {
  std::vector<std::string_view> until;  // texts that end it; they are not part of it
  int64_t most_tokens = 256;            // as lm-evaluation-harness has it
};

// One line of the list of tasks.
struct Task {
  std::string_view name;    // lm-evaluation-harness's
  std::string_view file;    // in the folder of the data: rows as .jsonl or .csv
  std::string_view source;  // of the questions
  std::vector<TaskMetric> metrics;
  // A row of the file; a CSV's fields are strings.
  Result<TaskItem> (*read)(const JsonObject& row);
  // The value of each metric. Pure: what a model answered can be judged again.
  std::vector<double> (*judge)(const TaskItem& item, const TaskResponse& response);
  int64_t examples = 0;            // in front of each question where nobody asks for another number
  bool own_examples = false;       // the prompt brings some: none can be added
  TaskGeneration generation = {};  // without `until` it is a multiple choice

  bool generates() const { return !generation.until.empty(); }
};

std::span<const Task> all_tasks();
// Null: there is none.
const Task* find_task(std::string_view name);
// "arc_easy, arc_challenge, ..."
std::string task_names();

}  // namespace farthing
