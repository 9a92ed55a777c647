// winogrande: whom a pronoun means, by partial evaluation: the same end of the sentence is scored
// behind each of two beginnings.
//
// Source: Sakaguchi et al., "WinoGrande", arXiv 1907.10641; partial evaluation: Trinh and Le, arXiv
// 1806.02847. Rows: context_options, continuation, gold.
#include <fmt/format.h>

#include "eval/tasks/choices.h"

namespace farthing {
namespace {

Result<TaskItem> read(const JsonObject& row) {
  const auto contexts = TRY(row.strings("context_options"));
  const std::string end = TRY(row.string("continuation"));
  const int64_t gold = TRY(gold_of(row, contexts.size()));
  TaskItem item;
  for (size_t i = 0; i < contexts.size(); ++i)
    item.choices.push_back({contexts[i], " " + end, static_cast<int64_t>(i) == gold});
  return item;
}

}  // namespace

Task winogrande_task() {
  return {.name = "winogrande",
          .file = "winogrande.jsonl",
          .source = "WinoGrande XL, arXiv 1907.10641",
          .metrics = accuracy(),
          .read = read,
          .judge = judge_accuracy};
}

}  // namespace farthing
