// Tasks: how well a model answers questions, and what that is beside the model it was made from.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/bootstrap.h"
#include "eval/tasks/load_task.h"
#include "model/checkpoint.h"
#include "tensor/context.h"
#include "workflows/tasks/answer_task.h"

namespace farthing {

// A model that can be loaded when it is needed.
struct TaskModel {
  std::string name;  // as the user wrote it
  const Checkpoint* checkpoint = nullptr;
  std::string format = {};               // that it is quantized to while loading; empty: as it is
  std::optional<KvCodec> kv_cache = {};  // absent: as the model says
  std::function<Result<std::unique_ptr<Model>>()> load;
};

struct MeasureTasksOptions {
  std::vector<std::string> tasks;
  TaskOptions questions = {};
  std::optional<std::filesystem::path> output = {};  // a folder; work under way is in OUTPUT.work
  bool resume = false;
};

// Answers that turned: right with the baseline and wrong with the model, and the other way round.
struct AnswerFlips {
  int64_t lost = 0, gained = 0;
};

struct MetricResult {
  TaskMetric metric;
  std::vector<double> of_items = {}, of_items_baseline = {};
  Estimate value = {};
  // Against a baseline; `drop` is its value minus the model's, paired by question.
  std::optional<Estimate> baseline = {}, drop = {};
  std::optional<AnswerFlips> flips = {};  // of metrics that say right or wrong
};

struct TaskResult {
  LoadedTask task;
  std::vector<TaskResponse> responses = {}, baseline_responses = {};
  std::vector<MetricResult> metrics = {};
  double seconds = 0;    // that the model took in this run, loading not counted
  int64_t answered = 0;  // questions in that time; the others were answered before
};

struct TasksReport {
  std::string model, format, against, kv_cache;
  std::vector<TaskResult> tasks = {};
  double seconds = 0;
};

// The baseline (null: none) answers first, then the model; one of them is in memory at a time, and
// none whose answers an earlier run left. Fails before any work on tasks that cannot be read, and
// on a folder that cannot be written. The output folder holds tasks.json and samples_TASK.jsonl.
Result<TasksReport> measure_tasks(Context& context, const TaskModel& model,
                                  const TaskModel* baseline, const MeasureTasksOptions& options,
                                  Progress& progress);

// The values of the task's metrics on these responses, against the baseline's where there are some.
std::vector<MetricResult> judge_task(const LoadedTask& task,
                                     std::span<const TaskResponse> responses,
                                     std::span<const TaskResponse> baseline);

std::string tasks_text(const TasksReport& report);
std::string tasks_json(const TasksReport& report);
// A question a line.
std::string samples_jsonl(const TaskResult& result);

}  // namespace farthing
