// From items to responses, by way of the folder.
#include "workflows/tasks/answer_task.h"

#include <fmt/format.h>

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

// Refuses an answer to no question of the task, and one that the question's judge cannot read.
Result<> check_kept(const LoadedTask& task, const AnsweredQuestion& answered,
                    const std::filesystem::path& file) {
  const std::string remedy = "remove the folder to answer every question again";
  if (answered.question >= task.items.size()) {
    return fail({.what = "a kept answer belongs to no question of " + task.name,
                 .where = file.string(),
                 .got = fmt::format("question {}", static_cast<int64_t>(answered.question)),
                 .wanted = fmt::format("less than {}", task.items.size()),
                 .remedy = remedy});
  }
  const size_t choices = task.items[answered.question].choices.size();
  const size_t got = answered.response.log_likelihoods.size();
  if (got == choices) return {};
  return fail({.what = fmt::format("a kept answer of {} is not whole", task.name),
               .where = fmt::format("{}: question {}", file.string(), answered.question),
               .got = fmt::format("{} log-likelihoods", got),
               .wanted = fmt::format("{}, one for each choice", choices),
               .remedy = remedy});
}

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
  std::vector<bool> known(task.items.size());
  size_t files = 0;
  while (folder != nullptr) {
    auto kept = TRY(folder->read(role, task.name, files));
    if (!kept) break;
    const std::filesystem::path file = folder->file(role, task.name, files++);
    for (AnsweredQuestion& answered : *kept) {
      TRY(check_kept(task, answered, file));
      known[answered.question] = true;
      done(work_of(task.items[answered.question]));
      answers.responses[answered.question] = std::move(answered.response);
    }
  }
  std::vector<TaskItem> items;  // that are not answered yet, and which they are
  std::vector<size_t> numbers;
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i]) continue;
    items.push_back(task.items[i]);
    numbers.push_back(i);
  }
  if (items.empty()) return answers;
  answers.computed = static_cast<int64_t>(items.size());
  std::vector<AnsweredQuestion> unkept;
  const auto keep = [&]() -> Result<> {
    if (folder != nullptr) TRY(folder->write(role, task.name, files++, unkept));
    unkept.clear();
    return {};
  };
  const AnsweringModel answering = TRY(model());
  const auto sink = [&](size_t item, TaskResponse response) -> Result<> {
    answers.responses[numbers[item]] = response;
    unkept.push_back({numbers[item], std::move(response)});
    if (unkept.size() == ResponseFolder::questions_of_a_file) TRY(keep());
    done(work_of(items[item]));
    return {};
  };
  TRY(answer_items(context, answering, task.task, items, sink));
  if (!unkept.empty()) TRY(keep());
  return answers;
}

}  // namespace farthing
