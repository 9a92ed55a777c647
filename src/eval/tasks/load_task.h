// Opening a task: its questions from a file or from the built-in excerpt, and which of them count.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/tasks/task.h"

namespace farthing {

struct TaskOptions {
  std::optional<std::filesystem::path> data = {};  // a folder; absent: the built-in excerpts
  int64_t limit = 0;                               // questions that are scored; 0: all
  std::optional<int64_t> num_fewshot = {};         // absent: as the task says, mostly 0
};

// A task with its questions.
struct LoadedTask {
  Task task;
  std::string name;
  std::string data, digest;     // the file, and XXH3 of 128 bits of its bytes
  int64_t examples = 0;         // the first rows: in front of each question, and not scored
  std::vector<TaskItem> items;  // that are scored
};

// Finds a task by its name: one of the list; or NAME.jsonl in the folder of the data with rows of
// query, choices and gold, which is scored as it stands (acc, acc_norm; a space in front of each
// choice).
//
// Examples in front are the file's first rows, each followed by an empty line, as
// lm-evaluation-harness joins them. Fails on a task or file that is not there, on rows that the
// task cannot read, and where there are not enough rows.
Result<LoadedTask> load_task(const std::string& name, const TaskOptions& options);

// The names of the tasks of which the program carries an excerpt.
std::vector<std::string> built_in_task_names();

}  // namespace farthing
