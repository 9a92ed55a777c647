// boolq: questions to a passage that are answered by yes or no.
//
// Source: Clark et al., "BoolQ", arXiv 1905.10044. Rows: query "Passage: ...\nQuestion: ...?",
// choices no and yes.
#include "eval/tasks/choices.h"

namespace farthing {
namespace {

Result<TaskItem> read(const JsonObject& row) {
  constexpr std::string_view label = "Passage: ";
  std::string query = TRY(row.string("query"));
  if (query.starts_with(label)) query.erase(0, label.size());
  return choices_after(row, query + "\nAnswer:");
}

}  // namespace

Task boolq_task() {
  return {.name = "boolq",
          .file = "boolq.jsonl",
          .source = "BoolQ, arXiv 1905.10044",
          .metrics = accuracy(),
          .read = read,
          .judge = judge_accuracy};
}

}  // namespace farthing
