// By names of siblings.
#include "base/leftovers.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <vector>

namespace farthing {
namespace fs = std::filesystem;
namespace {

// Of another user's process it is known only that it runs.
bool has_ended(pid_t process) { return ::kill(process, 0) != 0 && errno == ESRCH; }

}  // namespace

fs::path partial_path(const fs::path& target) {
  fs::path out = target;
  return out += fmt::format(".partial-{}", ::getpid());
}

void remove_leftovers(const fs::path& target) {
  const std::string begin = target.filename().string() + ".partial-";
  const fs::path folder = target.has_parent_path() ? target.parent_path() : ".";
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(begin)) continue;
    pid_t process = 0;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + begin.size(), end, process);
    const bool whole = read.ec == std::errc() && (read.ptr == end || name.ends_with(".old"));
    if (whole && process > 0 && has_ended(process)) found.push_back(entry.path());
  }
  for (const fs::path& path : found) fs::remove_all(path, ignored);
}

void remove_folder(const fs::path& folder) {
  const fs::path aside = partial_path(folder);
  std::error_code error;
  fs::rename(folder, aside, error);
  std::error_code ignored;
  fs::remove_all(error ? folder : aside, ignored);
}

}  // namespace farthing
