// farthing tasks: how well a model answers questions, and what that is beside its baseline.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "workflows/tasks/measure_tasks.h"

namespace farthing {
namespace {

struct Options {
  std::string model, against, task_data, output;
  std::vector<std::string> tasks;
  int64_t limit = 0, num_fewshot = -1;
  LoadingFormat format;
  std::optional<KvCodec> kv_cache;
  bool resume = false;
};

void declare(OptionList& list, Options& options) {
  list.required("model,-m,--model", "MODEL", options.model, "The model to measure");
  list.list("--tasks", "NAME,...", options.tasks,
            "Of " + task_names() +
                ", or a .jsonl file in --task-data by its name; without it the multiple choices "
                "that are built in. Built in are excerpts of " +
                fmt::format("{}", fmt::join(built_in_task_names(), ", ")));
  list.text("--task-data", "DIR", options.task_data,
            "The folder of the tasks' questions (docs/tasks.md); without it small excerpts that "
            "are built in");
  list.text("--against", "BASE", options.against,
            "Measure the drop and the answers that turned against this model");
  list.integer("--limit", options.limit, 0, INT64_MAX,
               "At most so many questions of a task; 0: all");
  list.integer("--num-fewshot", options.num_fewshot, -1, 1 << 10,
               "The first so many rows stand as examples in front of each question, and are not "
               "scored; -1: as the task says, mostly 0");
  declare_format(list, options.format);
  declare_kv_cache(list, options.kv_cache);
  list.text("-o,--output", "DIR", options.output,
            "A folder for tasks.json and samples_TASK.jsonl, every answer; DIR.work holds what is "
            "done so far");
  list.flag("--resume", options.resume, "Goes on with what DIR.work holds");
}

Result<> check(const Options& options) {
  TRY(check_format(options.format));
  if (!options.resume || !options.output.empty()) return {};
  return fail({.what = "there is nothing to go on with",
               .where = "--resume",
               .got = "no -o",
               .wanted = "the folder that the interrupted run was to write",
               .remedy = "name it with -o"});
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  Context& context = owner->get();
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const TaskModel model{.name = options.model,
                        .checkpoint = checkpoint.get(),
                        .format = options.format.scheme ? options.format.scheme->name() : "",
                        .kv_cache = options.kv_cache,
                        .load = [&] { return load_model(context, *checkpoint, options.format); }};
  std::unique_ptr<Checkpoint> base;
  TaskModel baseline;
  if (!options.against.empty()) {
    base = TRY(Checkpoint::open(options.against));
    baseline = {.name = options.against, .checkpoint = base.get(), .load = [&] {
                  return load_model(context, *base);
                }};
  }
  MeasureTasksOptions wanted{.tasks = options.tasks, .resume = options.resume};
  if (wanted.tasks.empty())
    for (const std::string& name : built_in_task_names())
      if (!find_task(name)->generates()) wanted.tasks.push_back(name);
  wanted.questions.limit = options.limit;
  if (options.num_fewshot >= 0) wanted.questions.num_fewshot = options.num_fewshot;
  if (!options.task_data.empty()) wanted.questions.data = options.task_data;
  if (!options.output.empty()) wanted.output = options.output;
  TasksReport report;
  {
    ProgressBar progress;
    report =
        TRY(measure_tasks(context, model, base == nullptr ? nullptr : &baseline, wanted, progress));
  }
  return print(common.json ? tasks_json(report) : tasks_text(report));
}

}  // namespace

Command tasks_command() {
  return make_command<Options>(
      {.name = "tasks",
       .summary = "answers questions of tasks, and measures the drop from a baseline",
       .details = "Metrics as lm-evaluation-harness defines them: the most likely of several "
                  "answers counts "
                  "(acc, acc_norm for its\n"
                  "length), or a generated text is compared (exact_match, BLEU, ROUGE). Killed at "
                  "any instant, a run with -o goes on with --resume.",
       .example = "  farthing tasks models/stories260k --tasks arc_easy --limit 50\n"
                  "  farthing tasks models/stories260k --format int4_g32 --against "
                  "models/stories260k -o stories-tasks"},
      declare, run, check);
}

}  // namespace farthing
