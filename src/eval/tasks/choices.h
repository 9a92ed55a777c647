// What the multiple choices share: rows of query, choices and gold, and how answers are judged.
#pragma once

#include "eval/tasks/task.h"

namespace farthing {

// acc, and acc and acc_norm.
std::vector<TaskMetric> accuracy();
std::vector<TaskMetric> accuracies();

// The index of the right one of `count` answers, the row's field "gold".
Result<int64_t> gold_of(const JsonObject& row, size_t count);

// A row {"query": ..., "choices": [...], "gold": 0}: each choice follows `context` after a space.
Result<TaskItem> choices_after(const JsonObject& row, const std::string& context);

// acc: whether the most likely answer is right (of equal ones the first, as numpy's argmax).
std::vector<double> judge_accuracy(const TaskItem& item, const TaskResponse& response);
// And acc_norm: the same where the log-likelihood is divided by the answer's length in characters,
// the space in front of it not counted.
std::vector<double> judge_accuracies(const TaskItem& item, const TaskResponse& response);

}  // namespace farthing
