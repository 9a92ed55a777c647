// The excerpts of tasks that the program carries: data/tasks, whose NOTICE names their licences.
#pragma once

#include <span>
#include <string_view>

namespace farthing {

struct BuiltInTask {
  std::string_view file;  // as in Task
  std::string_view text;
};
std::span<const BuiltInTask> built_in_tasks();

}  // namespace farthing
