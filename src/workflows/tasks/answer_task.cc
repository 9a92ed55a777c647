// From items to responses, by way of the folder.
#include "workflows/tasks/answer_task.h"

#include <algorithm>

#include "base/check.h"
#include "eval/tasks/log_likelihoods.h"
#include "workflows/tasks/generate_answers.h"

namespace farthing {
namespace {

Result<> score_choices(Context& context, const AnsweringModel& model,
                       std::span<const TaskItem> items, const ResponseSink& sink) {
  std::vector<ScoredGroup> groups;
  for (const TaskItem& item : items) {
    ScoredGroup& group = groups.emplace_back();
    for (const Choice& choice : item.choices)
      group.push_back(
          TRY(tokenize_choice(model.tokenizer, model.model.config(), choice.context, choice.text)));
  }
  return log_likelihoods(context, model.model, groups, {.kv_cache = model.kv_cache},
                         [&](int64_t group, std::vector<double> sums) {
                           return sink(static_cast<size_t>(group), {std::move(sums), {}});
                         });
}

// The questions whose answers are kept together in one file.
struct File {
  size_t begin, end, missing;
};

}  // namespace

double work_of(const TaskItem& item) {
  size_t out = item.prompt.size();
  for (size_t i = 0; i < item.choices.size(); ++i)
    out += item.choices[i].text.size() + (i == 0 ? item.choices[i].context.size() : 0);
  return static_cast<double>(out);
}

Result<> answer_items(Context& context, const AnsweringModel& model, const Task& task,
                      std::span<const TaskItem> items, const ResponseSink& sink) {
  TRY(model.model.check_batch_invariant());
  TRY(model.model.check_kv_cache(model.kv_cache));
  if (task.generates()) return generate_answers(context, model, task.generation, items, sink);
  return score_choices(context, model, items, sink);
}

Result<TaskAnswers> answer_task(Context& context,
                                const std::function<Result<AnsweringModel>()>& model,
                                const LoadedTask& task, const std::string& role,
                                const ResponseFolder* folder, const WorkDone& done) {
  TaskAnswers answers{std::vector<TaskResponse>(task.items.size())};
  std::vector<TaskResponse>& out = answers.responses;
  std::vector<File> files;
  std::vector<TaskItem> items;  // that are not answered yet, and which they are
  std::vector<size_t> numbers;
  for (size_t begin = 0; begin < out.size(); begin += ResponseFolder::questions_of_a_file) {
    const size_t end = std::min(begin + ResponseFolder::questions_of_a_file, out.size());
    std::optional<std::vector<TaskResponse>> kept;
    if (folder != nullptr) kept = TRY(folder->read(role, task.name, files.size()));
    if (kept && kept->size() == end - begin) {
      for (size_t i = begin; i < end; ++i) {
        out[i] = std::move((*kept)[i - begin]);
        done(work_of(task.items[i]));
      }
      files.push_back({begin, end, 0});
      continue;
    }
    files.push_back({begin, end, end - begin});
    for (size_t i = begin; i < end; ++i) {
      items.push_back(task.items[i]);
      numbers.push_back(i);
    }
  }
  if (items.empty()) return answers;
  answers.computed = static_cast<int64_t>(items.size());
  const AnsweringModel answering = TRY(model());
  const auto sink = [&](size_t item, TaskResponse response) -> Result<> {
    const size_t number = numbers[item], at = number / ResponseFolder::questions_of_a_file;
    File& file = files[at];
    out[number] = std::move(response);
    CHECK(file.missing > 0);
    if (--file.missing == 0 && folder != nullptr)
      TRY(folder->write(role, task.name, at,
                        std::span(out).subspan(file.begin, file.end - file.begin)));
    done(work_of(items[item]));
    return {};
  };
  TRY(answer_items(context, answering, task.task, items, sink));
  return answers;
}

}  // namespace farthing
