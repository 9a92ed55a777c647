// The most memory that a run of the program holds.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "apps/support/program.h"

namespace farthing::testing {

// Whether this build's programs hold memory that is not theirs.
constexpr bool memory_is_instrumented() {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return true;
#endif
#endif
  return false;
}

// Of `farthing ARGUMENTS...`, which must succeed: memory that is not a mapped file's, looked at
// every tenth of a millisecond, as a linear's temporary copies may live for less than half of one.
// The program gets the lowest priority, so that its busy threads do not keep us from looking.
inline int64_t peak_anonymous_bytes(const std::vector<std::string>& arguments) {
  int64_t most = 0;
  BackgroundProgram program(arguments);
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(program.process()), 19);
  const std::string path = "/proc/" + std::to_string(program.process()) + "/status";
  while (program.running()) {
    std::ifstream file(path);
    for (std::string word; file >> word;)
      if (word == "RssAnon:") {
        int64_t kilobytes = 0;
        file >> kilobytes;
        most = std::max(most, kilobytes * 1024);
      }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  EXPECT_EQ(program.wait(), 0);
  return most;
}

}  // namespace farthing::testing
