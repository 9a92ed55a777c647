// Tasks by name, with their rows.
#include "eval/tasks/load_task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/digest.h"
#include "base/file.h"
#include "eval/tasks/built_in_tasks.h"
#include "eval/tasks/choices.h"
#include "eval/tasks/task_rows.h"

namespace farthing {
namespace fs = std::filesystem;
namespace {

Result<TaskItem> read_as_it_stands(const JsonObject& row) {
  return choices_after(row, TRY(row.string("query")));
}

// A task of the list, or a file that the folder has.
Result<LoadedTask> find(const std::string& name, const TaskOptions& options) {
  LoadedTask out;
  out.name = name;
  if (const Task* known = find_task(name)) {
    out.task = *known;
    return out;
  }
  std::error_code ignored;
  const bool plain_name = !name.empty() && name.find('/') == std::string::npos;
  if (plain_name && options.data && fs::exists(*options.data / (name + ".jsonl"), ignored)) {
    out.task = {.name = "",
                .file = "",
                .source = "",
                .metrics = accuracies(),
                .read = read_as_it_stands,
                .judge = judge_accuracies};
    return out;
  }
  return fail({.what = "there is no such task",
               .where = "--tasks",
               .got = name,
               .wanted = "one of " + task_names() +
                         ", or the name of a .jsonl file in the folder of --task-data",
               .remedy = "correct the name"});
}

struct Text {
  std::string text, name;
  bool csv = false;
};

Result<Text> read_text(const LoadedTask& loaded, const TaskOptions& options) {
  const std::string file =
      loaded.task.name.empty() ? loaded.name + ".jsonl" : std::string(loaded.task.file);
  Text out;
  out.csv = file.ends_with(".csv");
  if (options.data) {
    const fs::path path = *options.data / file;
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      return fail({.what = "the task's questions are not there",
                   .where = path.string(),
                   .got = "no such file",
                   .wanted = fmt::format("the rows of {}", loaded.task.source),
                   .remedy = "name the folder that holds them with --task-data (docs/tasks.md says "
                             "what a row looks like)"});
    }
    out.name = path.string();
    out.text = TRY(read_text_file(path));
    return out;
  }
  for (const BuiltInTask& built_in : built_in_tasks())
    if (built_in.file == file) {
      out.name = fmt::format("{}, the built-in excerpt", loaded.task.source);
      out.text = built_in.text;
      return out;
    }
  return fail({.what = "the program carries no questions of this task",
               .where = "--tasks " + loaded.name,
               .got = "no --task-data",
               .wanted = fmt::format("a folder with {}; built in are {}", file,
                                     fmt::join(built_in_task_names(), ", ")),
               .remedy = "name the folder with --task-data"});
}

// So many examples in front of each question.
Result<int64_t> examples_of(const LoadedTask& loaded, const TaskOptions& options) {
  const int64_t asked = options.num_fewshot.value_or(loaded.task.examples);
  if (asked == loaded.task.examples || !loaded.task.own_examples) return asked;
  return fail({.what = "the task's prompt has its own examples",
               .where = "--num-fewshot",
               .got = std::to_string(asked),
               .wanted = "0 for " + loaded.name,
               .remedy = "measure this task without --num-fewshot"});
}

}  // namespace

Result<LoadedTask> load_task(const std::string& name, const TaskOptions& options) {
  LoadedTask out = TRY(find(name, options));
  const Text text = TRY(read_text(out, options));
  out.data = text.name;
  out.digest = digest_of(text.text);
  out.examples = TRY(examples_of(out, options));
  const auto rows =
      TRY(text.csv ? rows_of_csv(text.text, text.name) : rows_of_jsonl(text.text, text.name));
  const auto count = static_cast<int64_t>(rows.size());
  if (count <= out.examples) {
    return fail(
        {.what = "the task has no question left to score",
         .where = text.name,
         .got = fmt::format("{} rows, {} of them examples", count, std::min(count, out.examples)),
         .wanted = "more rows than examples",
         .remedy = "give more rows, or a smaller --num-fewshot"});
  }
  const int64_t end = options.limit == 0 ? count : std::min(count, out.examples + options.limit);
  std::string front;
  for (int64_t i = 0; i < end; ++i) {
    TaskItem item = TRY(out.task.read(rows[static_cast<size_t>(i)]));
    if (i < out.examples) {
      front += item.solved() + "\n\n";
      continue;
    }
    for (Choice& choice : item.choices) choice.context.insert(0, front);
    item.prompt.insert(0, front);
    out.items.push_back(std::move(item));
  }
  return out;
}

std::vector<std::string> built_in_task_names() {
  std::vector<std::string> out;
  for (const Task& task : all_tasks())
    for (const BuiltInTask& built_in : built_in_tasks())
      if (task.file == built_in.file) out.emplace_back(task.name);
  return out;
}

}  // namespace farthing
