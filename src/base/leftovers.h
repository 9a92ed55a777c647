// What processes leave beside a file or folder while they write or remove it, and when they are
// killed: NAME.partial-PID, and NAME.partial-PID.old for what it would have replaced.
#pragma once

#include <filesystem>

namespace farthing {

// Where this process writes what will be `target`.
std::filesystem::path partial_path(const std::filesystem::path& target);

// Removes what processes that have ended left beside `target`. That of a process that still runs
// stays.
void remove_leftovers(const std::filesystem::path& target);

// Removes a folder with all that is in it. At any instant, also where the process is killed, it is
// whole or gone; what may be left then is a leftover.
void remove_folder(const std::filesystem::path& folder);

}  // namespace farthing
