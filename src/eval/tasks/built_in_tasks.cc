// Built into the program by farthing_embed in src/CMakeLists.txt.
#include "eval/tasks/built_in_tasks.h"

#include <array>

namespace farthing {
namespace embedded {

extern const std::string_view tasks_arc_easy;
extern const std::string_view tasks_arc_challenge;
extern const std::string_view tasks_boolq;
extern const std::string_view tasks_gsm8k;
extern const std::string_view tasks_truthfulqa;

}  // namespace embedded

std::span<const BuiltInTask> built_in_tasks() {
  static const std::array table = {
      BuiltInTask{"arc_easy.jsonl", embedded::tasks_arc_easy},
      BuiltInTask{"arc_challenge.jsonl", embedded::tasks_arc_challenge},
      BuiltInTask{"boolq.jsonl", embedded::tasks_boolq},
      BuiltInTask{"gsm8k.jsonl", embedded::tasks_gsm8k},
      BuiltInTask{"TruthfulQA.csv", embedded::tasks_truthfulqa}};
  return table;
}

}  // namespace farthing
