// copa: which of two sentences is the cause, or the effect, of a first one.
//
// Source: Roemmele et al., "Choice of Plausible Alternatives", AAAI Spring Symposium 2011. Rows:
// query "The sun was rising, because" or "..., therefore". As in lm-evaluation-harness there is no
// comma, and two spaces are scored in front of an answer.
#include "eval/tasks/choices.h"

namespace farthing {
namespace {

Result<TaskItem> read(const JsonObject& row) {
  std::string query = TRY(row.string("query"));
  for (const std::string_view connector : {", because", ", therefore"})
    if (query.ends_with(connector)) query.erase(query.size() - connector.size(), 1);
  TaskItem item = TRY(choices_after(row, query));
  for (Choice& choice : item.choices) choice.text.insert(0, " ");
  return item;
}

}  // namespace

Task copa_task() {
  return {.name = "copa",
          .file = "copa.jsonl",
          .source = "COPA, in SuperGLUE, arXiv 1905.00537",
          .metrics = accuracy(),
          .read = read,
          .judge = judge_accuracy};
}

}  // namespace farthing
