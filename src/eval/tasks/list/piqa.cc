// piqa: which of two ways to reach a goal works.
//
// Source: Bisk et al., "PIQA: Reasoning about Physical Commonsense in Natural Language", arXiv
// 1911.11641. Rows: query "Question: ...", maybe with line ends behind it.
#include "eval/tasks/choices.h"

namespace farthing {
namespace {

Result<TaskItem> read(const JsonObject& row) {
  std::string question = TRY(row.string("query"));
  while (question.ends_with('\n')) question.pop_back();
  return choices_after(row, question + "\nAnswer:");
}

}  // namespace

Task piqa_task() {
  return {.name = "piqa",
          .file = "piqa.jsonl",
          .source = "PIQA, arXiv 1911.11641",
          .metrics = accuracies(),
          .read = read,
          .judge = judge_accuracies};
}

}  // namespace farthing
