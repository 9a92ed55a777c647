// A model answers the questions of a task.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/tasks/load_task.h"
#include "model/model.h"
#include "tensor/context.h"
#include "text/tokenizer.h"
#include "workflows/tasks/response_folder.h"

namespace farthing {

struct AnsweringModel {
  const Model& model;
  const Tokenizer& tokenizer;
  std::optional<KvCodec> kv_cache = {};  // absent: as the model says
};

// How long a question takes, in no unit: the characters that the model reads.
double work_of(const TaskItem& item);

// Is told of work that is done.
using WorkDone = std::function<void(double work)>;
// Is handed the response to the item-th of the items.
using ResponseSink = std::function<Result<>(size_t item, TaskResponse response)>;

// Answers the items, in any order. A response is a function of the model, the KV codec and its item
// alone, bit for bit; so the model's results must not depend on the batch. Fails where an item has
// no tokens to score, on logits that are not finite, and where the sink fails.
Result<> answer_items(Context& context, const AnsweringModel& model, const Task& task,
                      std::span<const TaskItem> items, const ResponseSink& sink);

struct TaskAnswers {
  std::vector<TaskResponse> responses;  // of each item
  int64_t computed = 0;                 // the others were in the folder
};

// The task's responses: those that the folder (null: none) holds, and the others from the model,
// which are put into it. `model` is called where it is needed, and may load it.
Result<TaskAnswers> answer_task(Context& context,
                                const std::function<Result<AnsweringModel>()>& model,
                                const LoadedTask& task, const std::string& role,
                                const ResponseFolder* folder, const WorkDone& done);

}  // namespace farthing
