// The list of tasks.
#include "eval/tasks/task.h"

#include <algorithm>
#include <array>

namespace farthing {

#define FARTHING_TASK(name) Task name##_task();
#include "eval/tasks/tasks.inc"
#undef FARTHING_TASK

std::span<const Task> all_tasks() {
  static const std::array table = {
#define FARTHING_TASK(name) name##_task(),
#include "eval/tasks/tasks.inc"
#undef FARTHING_TASK
  };
  return table;
}

const Task* find_task(std::string_view name) {
  for (const Task& task : all_tasks())
    if (task.name == name) return &task;
  return nullptr;
}

std::string task_names() {
  std::string out;
  for (const Task& task : all_tasks()) out += (out.empty() ? "" : ", ") + std::string(task.name);
  return out;
}

std::string TaskItem::solved() const {
  for (const Choice& choice : choices)
    if (choice.correct) return choice.context + choice.text;
  return prompt + target;
}

}  // namespace farthing
