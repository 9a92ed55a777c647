// A measurement by tasks as text, as JSON, and question by question.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/table_text.h"
#include "workflows/tasks/measure_tasks.h"

namespace farthing {
namespace {

void write_estimate(JsonWriter& json, std::string_view name, const Estimate& estimate) {
  json.key(name).begin_object().field("value", estimate.value);
  json.field("low", estimate.low).field("high", estimate.high).end_object();
}

double share_of(int64_t count, size_t of) {
  return static_cast<double>(count) / static_cast<double>(of);
}

void add_rows(const TaskResult& result, bool against, std::vector<std::vector<std::string>>& rows) {
  for (const MetricResult& m : result.metrics) {
    const auto points = [&](double value, const char* format) {
      return fmt::format(fmt::runtime(format), m.metric.points * value);
    };
    std::vector<std::string> row{result.task.name, std::string(m.metric.name),
                                 points(m.value.value, "{:.2f}"), points(m.value.low, "{:.2f}"),
                                 points(m.value.high, "{:.2f}")};
    if (against) {
      row.push_back(points(m.baseline->value, "{:.2f}"));
      for (const double value : {m.drop->value, m.drop->low, m.drop->high})
        row.push_back(points(value, "{:+.2f}"));
      for (int64_t AnswerFlips::*way : {&AnswerFlips::lost, &AnswerFlips::gained})
        row.push_back(m.flips ? std::to_string((*m.flips).*way) : "");
    }
    rows.push_back(std::move(row));
  }
}

}  // namespace

std::string tasks_text(const TasksReport& report) {
  const bool against = !report.against.empty();
  std::string out = report.model;
  if (!report.format.empty()) out += " as " + report.format;
  if (report.kv_cache != "auto") out += ", KV cache " + report.kv_cache;
  if (against) out += " against " + report.against;
  std::vector<std::vector<std::string>> rows{{"task", "metric", "value", "from", "to"}};
  if (against)
    for (const char* name : {"baseline", "drop", "from", "to", "lost", "gained"})
      rows[0].emplace_back(name);
  for (const TaskResult& result : report.tasks) add_rows(result, against, rows);
  out += "\n" + table_text(rows) + "\n";
  for (const TaskResult& result : report.tasks) {
    out += fmt::format("{}: {} questions, {} example{} in front of each; {} (xxh128 {})",
                       result.task.name, result.task.items.size(), result.task.examples,
                       result.task.examples == 1 ? "" : "s", result.task.data, result.task.digest);
    if (result.answered > 0)
      out += fmt::format("; {:.1f} questions a second",
                         static_cast<double>(result.answered) / result.seconds);
    out += "\n";
  }
  out +=
      fmt::format("{:.1f} s; values in points, from, to: 95 % interval, bootstrap over questions",
                  report.seconds);
  if (against)
    out +=
        ", paired for the drop\nlost, gained: answers that were right with the baseline alone, and "
        "with the model alone";
  return out + "\n";
}

std::string tasks_json(const TasksReport& report) {
  JsonWriter json(true);
  json.begin_object().field("model", report.model);
  if (!report.format.empty()) json.field("format", report.format);
  json.field("kv_cache_dtype", report.kv_cache);
  if (!report.against.empty()) json.field("against", report.against);
  json.key("tasks").begin_array();
  for (const TaskResult& result : report.tasks) {
    json.begin_object().field("task", result.task.name).field("data", result.task.data);
    json.field("data_digest", result.task.digest).field("questions", result.task.items.size());
    json.field("num_fewshot", result.task.examples).key("metrics").begin_array();
    for (const MetricResult& m : result.metrics) {
      json.begin_object().field("metric", m.metric.name).field("points", m.metric.points);
      write_estimate(json, "value", m.value);
      if (m.baseline) write_estimate(json, "baseline", *m.baseline);
      if (m.drop) write_estimate(json, "drop", *m.drop);
      if (m.flips) {
        json.key("flips").begin_object().field("lost", m.flips->lost);
        json.field("gained", m.flips->gained);
        json.field("share", share_of(m.flips->lost + m.flips->gained, m.of_items.size()));
        json.end_object();
      }
      json.end_object();
    }
    json.end_array().field("answered", result.answered).field("seconds", result.seconds);
    json.end_object();
  }
  return json.end_array().field("seconds", report.seconds).end_object().take();
}

std::string samples_jsonl(const TaskResult& result) {
  const auto write = [&](JsonWriter& json, const TaskResponse& response, size_t item,
                         bool baseline) {
    json.begin_object();
    if (result.task.task.generates()) {
      json.field("text", response.text);
    } else {
      json.key("log_likelihoods").begin_array();
      for (const double value : response.log_likelihoods) json.value(value);
      json.end_array();
    }
    for (const MetricResult& m : result.metrics)
      json.field(m.metric.name, (baseline ? m.of_items_baseline : m.of_items)[item]);
    json.end_object();
  };
  std::string out;
  for (size_t i = 0; i < result.responses.size(); ++i) {
    JsonWriter json;
    json.begin_object().field("question", i).key("model");
    write(json, result.responses[i], i, false);
    if (!result.baseline_responses.empty()) {
      json.key("baseline");
      write(json, result.baseline_responses[i], i, true);
    }
    out += json.end_object().take() + "\n";
  }
  return out;
}

}  // namespace farthing
