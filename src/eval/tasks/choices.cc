// Reading and judging of multiple choices.
#include "eval/tasks/choices.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "text/unicode/utf8.h"

namespace farthing {
namespace {

int64_t characters(std::string_view text) {
  int64_t out = 0;
  for (; !text.empty(); text.remove_prefix(utf8_step(text).bytes)) ++out;
  return out;
}

double right(const TaskItem& item, std::span<const double> scores) {
  CHECK(scores.size() == item.choices.size() && !scores.empty());
  const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
  return item.choices[static_cast<size_t>(best)].correct ? 1 : 0;
}

}  // namespace

std::vector<TaskMetric> accuracy() { return {{.name = "acc"}}; }
std::vector<TaskMetric> accuracies() { return {{.name = "acc"}, {.name = "acc_norm"}}; }

Result<int64_t> gold_of(const JsonObject& row, size_t count) {
  const int64_t gold = TRY(row.integer("gold"));
  if (gold >= 0 && gold < static_cast<int64_t>(count)) return gold;
  return fail({.what = "the right answer is none of the answers",
               .where = row.where() + ", gold",
               .got = std::to_string(gold),
               .wanted = fmt::format("a number from 0 to {}", static_cast<int64_t>(count) - 1),
               .remedy = "correct the row"});
}

Result<TaskItem> choices_after(const JsonObject& row, const std::string& context) {
  const auto answers = TRY(row.strings("choices"));
  const int64_t gold = TRY(gold_of(row, answers.size()));
  TaskItem item;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].empty()) {
      return fail({.what = "an answer is empty",
                   .where = fmt::format("{}, choices[{}]", row.where(), i),
                   .got = "no text",
                   .wanted = "a text to score",
                   .remedy = "correct the row"});
    }
    item.choices.push_back({context, " " + answers[i], static_cast<int64_t>(i) == gold});
  }
  return item;
}

std::vector<double> judge_accuracy(const TaskItem& item, const TaskResponse& response) {
  return {right(item, response.log_likelihoods)};
}

std::vector<double> judge_accuracies(const TaskItem& item, const TaskResponse& response) {
  std::vector<double> normalised = response.log_likelihoods;
  for (size_t i = 0; i < normalised.size(); ++i)
    normalised[i] /= static_cast<double>(characters(item.choices[i].text) - 1);
  return {right(item, response.log_likelihoods), right(item, normalised)};
}

}  // namespace farthing
