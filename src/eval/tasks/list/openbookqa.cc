// openbookqa: questions of elementary science; the question alone is the context.
//
// Source: Mihaylov et al., "Can a Suit of Armor Conduct Electricity?", arXiv 1809.02789.
#include "eval/tasks/choices.h"

namespace farthing {
namespace {

Result<TaskItem> read(const JsonObject& row) {
  return choices_after(row, TRY(row.string("query")));
}

}  // namespace

Task openbookqa_task() {
  return {.name = "openbookqa",
          .file = "openbook_qa.jsonl",
          .source = "OpenBookQA, arXiv 1809.02789",
          .metrics = accuracies(),
          .read = read,
          .judge = judge_accuracies};
}

}  // namespace farthing
