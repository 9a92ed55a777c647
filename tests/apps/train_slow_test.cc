// A training run that is killed at any instant and resumed gives the bytes of an undisturbed one.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "apps/support/program.h"
#include "base/random.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(Train, KilledAtTwentyInstantsAndResumedTheModelIsTheSame) {
  ScratchFolder folder;
  std::ofstream(folder / "recipe.toml")
      << "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32\"\nkv_cache = \"int8\"\n"
         "[schedule]\nsteps = 60\n[data]\nbatch_tokens = 512\n"
         "[checkpoint]\nevery_steps = 2\nkeep = 1\n";
  const auto arguments = [&](const std::string& run) -> std::vector<std::string> {
    return {"train",    stories(),
            "--recipe", (folder / "recipe.toml").string(),
            "--data",   FARTHING_SOURCE_DIR "/data/tinystories/eval.txt",
            "-o",       (folder / run).string(),
            "--resume"};
  };
  const auto started = std::chrono::steady_clock::now();
  ASSERT_EQ(farthing(arguments("whole")).status, 0);
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(
                         std::chrono::steady_clock::now() - started)
                         .count();
  const std::string model = "model/model.safetensors";
  const std::string expected = bytes_of(folder / "whole" / model);
  EXPECT_FALSE(expected.empty());
  int killed = 0;
  for (uint64_t i = 0; killed < 20 && i < 200; ++i) {
    BackgroundProgram program(arguments("killed"));
    // anywhere up to a quarter of the run's time: it must go on from where it was
    const auto instant = random_bits(7, 1, i) % static_cast<uint64_t>(whole / 4);
    std::this_thread::sleep_for(std::chrono::microseconds(instant));
    if (!program.running()) {  // it came to its end between kills: another run
      EXPECT_EQ(program.wait(), 0);
      EXPECT_EQ(bytes_of(folder / "killed" / model), expected);
      std::filesystem::remove_all(folder / "killed");
      continue;
    }
    program.send(SIGKILL);
    program.wait();
    ++killed;
  }
  EXPECT_EQ(killed, 20);
  const ProgramRun last = farthing(arguments("killed"));
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_EQ(bytes_of(folder / "killed" / model), expected);
  for (const auto& entry : std::filesystem::directory_iterator(folder / "killed"))
    EXPECT_EQ(entry.path().string().find(".partial-"), std::string::npos) << entry.path();
}

TEST(Train, TheCarriedPipelineEndsWithEqualBits) {
  ScratchFolder folder;
  const ProgramRun run =
      farthing({"train", stories(), "--recipe", FARTHING_SOURCE_DIR "/recipes/int4_pipeline.toml",
                "-o", (folder / "run").string()});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("largest |d log p| 0, bits equal"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("Once upon a time"), std::string::npos);
}

}  // namespace
}  // namespace farthing
