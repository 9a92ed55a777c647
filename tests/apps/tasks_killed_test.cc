// Killed with SIGKILL at random instants, a measurement by tasks goes on to the same answers.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "apps/support/program.h"
#include "base/random.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

TEST(TasksKilled, GoesOnToTheSameAnswers) {
  const ScratchFolder folder;
  const auto arguments = [&](const std::string& name, bool resume) {
    std::vector<std::string> out{"tasks",     stories(),  "--against", stories(),
                                 "--format",  "int4_g32", "--tasks",   "arc_challenge,arc_easy",
                                 "--threads", "1",        "-o",        (folder / name).string()};
    if (resume) out.emplace_back("--resume");
    return out;
  };
  const auto started = std::chrono::steady_clock::now();
  ASSERT_EQ(farthing(arguments("whole", false)).status, 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - started;
  int killed = 0;
  for (int attempt = 0;; ++attempt) {
    ASSERT_LT(attempt, 100) << "it never ends";
    const bool resume = std::filesystem::exists(folder / "killed.work/work.json");
    BackgroundProgram program(arguments("killed", resume));
    // Each attempt gets a little longer, so that the run ends.
    std::this_thread::sleep_for(
        whole * (0.4 * random_uniform(3, 0, static_cast<uint64_t>(attempt)) + 0.1 * attempt));
    program.send(SIGKILL);
    const int status = program.wait();
    if (status == 0) break;
    ASSERT_EQ(status, 1000 + SIGKILL);
    ++killed;
    EXPECT_FALSE(std::filesystem::exists(folder / "killed")) << "half a result";
  }
  EXPECT_GE(killed, 1);
  for (const char* file : {"samples_arc_easy.jsonl", "samples_arc_challenge.jsonl"})
    EXPECT_EQ(read_all(folder / "killed" / file), read_all(folder / "whole" / file));
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"killed", "whole"}));
}

}  // namespace
}  // namespace farthing
