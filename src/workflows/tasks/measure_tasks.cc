// The order of a measurement: tasks, folder, baseline, model, report.
#include "workflows/tasks/measure_tasks.h"

#include <fmt/format.h>

#include <utility>

#include "base/file.h"
#include "base/json_writer.h"

namespace farthing {
namespace fs = std::filesystem;
namespace {

constexpr const char* report_name = "tasks.json";

std::string kv_name(const TaskModel& model) {
  return model.kv_cache ? std::string(kv_codec_info(*model.kv_cache).name) : "auto";
}

void write_model(JsonWriter& json, std::string_view key, const TaskModel& model) {
  std::error_code ignored;
  int64_t bytes = 0;
  for (const StoredTensorInfo& tensor : model.checkpoint->tensors()) bytes += tensor.bytes;
  json.key(key).begin_object();
  json.field("path", fs::weakly_canonical(model.checkpoint->path(), ignored).string());
  json.field("bytes", bytes).field("format", model.format);
  json.field("kv_cache_dtype", kv_name(model));
  json.end_object();
}

std::string identity_of(const TaskModel& model, const TaskModel* baseline,
                        std::span<const LoadedTask> tasks) {
  JsonWriter json(true);
  json.begin_object();
  write_model(json, "model", model);
  if (baseline != nullptr) write_model(json, "baseline", *baseline);
  json.key("tasks").begin_array();
  for (const LoadedTask& task : tasks) {
    json.begin_object().field("task", task.name).field("data_digest", task.digest);
    json.field("num_fewshot", task.examples).field("questions", task.items.size()).end_object();
  }
  return json.end_array().end_object().take() + "\n";
}

// Loads a model when the first task asks for it.
class LazyModel {
 public:
  explicit LazyModel(const TaskModel& from) : from_(from) {}
  Result<AnsweringModel> get() {
    if (model_ == nullptr) {
      tokenizer_ = TRY(from_.checkpoint->tokenizer());
      model_ = TRY(from_.load());
    }
    return AnsweringModel{*model_, *tokenizer_, from_.kv_cache};
  }

 private:
  const TaskModel& from_;
  std::optional<Tokenizer> tokenizer_;
  std::unique_ptr<Model> model_;
};

// Shows work of all tasks and both models as one.
class Work {
 public:
  Work(Progress& progress, double total) : progress_(progress), total_(total) {}
  void of(std::string what) { what_ = std::move(what); }
  void done(double work) {
    done_ += work;
    progress_.update(done_, total_, what_);
  }

 private:
  Progress& progress_;
  double done_ = 0, total_;
  std::string what_;
};

Result<> write_folder(const fs::path& output, const TasksReport& report) {
  auto folder = TRY(AtomicDirectory::create(output, report_name));
  TRY(write_text_file(folder.path() / report_name, tasks_json(report) + "\n"));
  for (const TaskResult& result : report.tasks)
    TRY(write_text_file(folder.path() / fmt::format("samples_{}.jsonl", result.task.name),
                        samples_jsonl(result)));
  return folder.commit();
}

}  // namespace

Result<TasksReport> measure_tasks(Context& context, const TaskModel& model,
                                  const TaskModel* baseline, const MeasureTasksOptions& options,
                                  Progress& progress) {
  const double started = now_seconds();
  std::vector<LoadedTask> tasks;
  double total = 0;
  for (const std::string& name : options.tasks) {
    tasks.push_back(TRY(load_task(name, options.questions)));
    for (const TaskItem& item : tasks.back().items) total += work_of(item);
  }
  std::optional<ResponseFolder> folder;
  if (options.output) {
    TRY(AtomicDirectory::create(*options.output, report_name));  // removed at once
    const fs::path work = options.output->string() + ".work";
    folder = TRY(ResponseFolder::open(work, identity_of(model, baseline, tasks), options.resume));
  }
  const ResponseFolder* kept = folder ? &*folder : nullptr;
  Work work(progress, baseline == nullptr ? total : 2 * total);
  const auto done = [&](double amount) { work.done(amount); };

  std::vector<std::vector<TaskResponse>> of_baseline(tasks.size());
  if (baseline != nullptr) {
    LazyModel lazy(*baseline);
    for (size_t i = 0; i < tasks.size(); ++i) {
      work.of("baseline, " + tasks[i].name);
      const auto load = [&] { return lazy.get(); };
      of_baseline[i] = TRY(answer_task(context, load, tasks[i], "baseline", kept, done)).responses;
    }
  }
  TasksReport report{.model = model.name,
                     .format = model.format,
                     .against = baseline == nullptr ? "" : baseline->name,
                     .kv_cache = kv_name(model)};
  LazyModel lazy(model);
  for (size_t i = 0; i < tasks.size(); ++i) {
    work.of(tasks[i].name);
    TaskResult result{.task = std::move(tasks[i])};
    double began = now_seconds();
    const auto load = [&]() -> Result<AnsweringModel> {
      const AnsweringModel out = TRY(lazy.get());
      began = now_seconds();
      return out;
    };
    TaskAnswers answers = TRY(answer_task(context, load, result.task, "model", kept, done));
    result.responses = std::move(answers.responses);
    result.answered = answers.computed;
    result.seconds = now_seconds() - began;
    result.baseline_responses = std::move(of_baseline[i]);
    result.metrics = judge_task(result.task, result.responses, result.baseline_responses);
    report.tasks.push_back(std::move(result));
  }
  report.seconds = now_seconds() - started;
  if (options.output) {
    TRY(write_folder(*options.output, report));
    kept->remove();
  }
  return report;
}

std::vector<MetricResult> judge_task(const LoadedTask& task,
                                     std::span<const TaskResponse> responses,
                                     std::span<const TaskResponse> baseline) {
  std::vector<MetricResult> out;
  for (const TaskMetric& metric : task.task.metrics) out.push_back({.metric = metric});
  for (size_t i = 0; i < task.items.size(); ++i) {
    const auto values = task.task.judge(task.items[i], responses[i]);
    for (size_t m = 0; m < out.size(); ++m) out[m].of_items.push_back(values[m]);
    if (baseline.empty()) continue;
    const auto before = task.task.judge(task.items[i], baseline[i]);
    for (size_t m = 0; m < out.size(); ++m) out[m].of_items_baseline.push_back(before[m]);
  }
  for (MetricResult& metric : out) {
    metric.value = mean_estimate(metric.of_items);
    if (baseline.empty()) continue;
    metric.baseline = mean_estimate(metric.of_items_baseline);
    metric.drop = paired_difference(metric.of_items, metric.of_items_baseline);
    if (!metric.metric.answer) continue;
    metric.flips.emplace();
    for (size_t i = 0; i < metric.of_items.size(); ++i) {
      metric.flips->lost += metric.of_items_baseline[i] > metric.of_items[i];
      metric.flips->gained += metric.of_items_baseline[i] < metric.of_items[i];
    }
  }
  return out;
}

}  // namespace farthing
