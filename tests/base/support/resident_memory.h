// How much memory this process has resident, for tests that something is not read.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace farthing {

// Pages of mapped files that were touched count too.
inline int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all_pages = 0, resident_pages = 0;
  file >> all_pages >> resident_pages;
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

}  // namespace farthing
