// A quantization that is killed at random instants and gone on with, against one that was not.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "apps/support/program.h"
#include "base/random.h"
#include "base/support/scratch_folder.h"

namespace farthing::testing {

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// How often it was killed; 0 where something went wrong, which is a failure already. `how`: beside
// model, format and output.
inline int kill_and_resume(int instants, const std::vector<std::string>& how) {
  ScratchFolder folder;
  std::vector<std::string> arguments{"quantize", stories(), "--format", "int4_g32"};
  arguments.insert(arguments.end(), how.begin(), how.end());
  arguments.emplace_back("-o");
  const auto to = [&](const std::string& name, bool resume) {
    std::vector<std::string> out = arguments;
    out.push_back((folder / name).string());
    if (resume) out.push_back("--resume");
    return out;
  };
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(farthing(to("whole", false)).status, 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - started;
  int killed = 0;
  for (int i = 0; i < instants; ++i) {
    const std::string name = "q" + std::to_string(i);
    for (int attempt = 0;; ++attempt) {
      if (attempt == 100) {
        ADD_FAILURE() << name << " never ends";
        return 0;
      }
      BackgroundProgram program(to(name, attempt > 0));
      // Each attempt gets a little longer, so that every run ends. The first gets at most 0.6 of
      // what the whole run took, as that one may have shared the processors with more than this one
      // does.
      const double share =
          0.6 * random_uniform(9, static_cast<uint64_t>(i), static_cast<uint64_t>(attempt)) +
          0.1 * attempt;
      std::this_thread::sleep_for(whole * share);
      program.send(SIGKILL);
      const int status = program.wait();
      if (status == 0) break;
      if (status != 1000 + SIGKILL && status != 128 + SIGKILL) {
        ADD_FAILURE() << name << " ended with status " << status;
        return 0;
      }
      ++killed;
      EXPECT_FALSE(std::filesystem::exists(folder / name / "model.safetensors") &&
                   !std::filesystem::exists(folder / name / "farthing.json"));
    }
    for (const char* file : {"model.safetensors", "config.json", "farthing.json"})
      EXPECT_TRUE(content(folder / name / file) == content(folder / "whole" / file)) << name;
    // Nothing else is left, of the killed ones neither.
    for (const std::string& left : folder.names())
      EXPECT_TRUE(left == name || !left.starts_with(name)) << left;
    std::filesystem::remove_all(folder / name);
  }
  return killed;
}

}  // namespace farthing::testing
