// arc_easy, arc_challenge: questions of science tests.
//
// Source: Clark et al., "Think you have Solved Question Answering? Try ARC", arXiv 1803.05457.
// Rows: query "Question: ...".
#include "eval/tasks/choices.h"

namespace farthing {
namespace {

Result<TaskItem> read(const JsonObject& row) {
  return choices_after(row, TRY(row.string("query")) + "\nAnswer:");
}

}  // namespace

Task arc_easy_task() {
  return {.name = "arc_easy",
          .file = "arc_easy.jsonl",
          .source = "ARC-Easy, arXiv 1803.05457",
          .metrics = accuracies(),
          .read = read,
          .judge = judge_accuracies};
}

Task arc_challenge_task() {
  return {.name = "arc_challenge",
          .file = "arc_challenge.jsonl",
          .source = "ARC-Challenge, arXiv 1803.05457",
          .metrics = accuracies(),
          .read = read,
          .judge = judge_accuracies};
}

}  // namespace farthing
