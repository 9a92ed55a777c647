// What is on the disk after a signal, a full disk, a folder that cannot be written, a closed pipe.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "apps/support/program.h"
#include "base/support/disk_trouble.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {
using Names = std::vector<std::string>;

// Waits until something stands in the folder, and says whether the program still ran then.
bool caught_writing(BackgroundProgram& program, const ScratchFolder& folder) {
  while (program.running()) {
    if (!folder.names().empty()) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return false;
}

TEST(Interruption, ASignalWhileAFileIsWrittenLeavesNothing) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ScratchFolder folder;
    // 32 windows of logits take longer than the signal.
    BackgroundProgram program(
        {"eval", stories(), "--save-logits", (folder / "logits.npy").string()});
    ASSERT_TRUE(caught_writing(program, folder));
    program.send(signal);
    EXPECT_EQ(program.wait(), 128 + signal);
    EXPECT_EQ(folder.names(), Names{});
  }
}

TEST(Interruption, ASignalWhileAFolderIsWrittenLeavesNothing) {
  bool interrupted = false;
  for (int attempt = 0; attempt < 50 && !interrupted; ++attempt) {
    ScratchFolder folder;
    BackgroundProgram program(
        {"quantize", stories(), "-o", (folder / "q").string(), "--format", "int4_g32"});
    if (caught_writing(program, folder)) program.send(SIGTERM);
    interrupted = program.wait() == 128 + SIGTERM;
    if (interrupted) {
      EXPECT_EQ(folder.names(), Names{});
    } else {
      EXPECT_EQ(program.wait(), 0);  // it was done first: then the folder is whole
      EXPECT_EQ(folder.names(), Names{"q"});
    }
  }
  EXPECT_TRUE(interrupted);
}

TEST(Interruption, ASignalDuringAComparisonLeavesNoFolder) {
  ScratchFolder folder;
  BackgroundProgram program({"compare", stories(), "-o", (folder / "report").string()});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // 32 windows take longer
  ASSERT_TRUE(program.running());
  program.send(SIGTERM);
  EXPECT_EQ(program.wait(), 128 + SIGTERM);
  EXPECT_EQ(folder.names(), Names{});
}

TEST(Interruption, ASignalKeepsAnEarlierResult) {
  bool interrupted = false;
  ScratchFolder folder;
  const std::vector<std::string> arguments{"quantize", stories(), "-o", (folder / "q").string(),
                                           "--format", "int4_g32"};
  ASSERT_EQ(farthing(arguments).status, 0);
  for (int attempt = 0; attempt < 50 && !interrupted; ++attempt) {
    BackgroundProgram program(arguments);
    while (program.running() && folder.names().size() < 2)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    program.send(SIGTERM);
    interrupted = program.wait() == 128 + SIGTERM;
    EXPECT_EQ(folder.names(), Names{"q"});
    EXPECT_EQ(farthing({"inspect", (folder / "q").string()}).status, 0);
  }
  EXPECT_TRUE(interrupted);
}

TEST(FullDisk, QuantizeLeavesNothing) {
  ScratchFolder folder;
  ProgramRun run;
  {
    const FileSizeLimit limit(50'000);
    run = farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format", "int4_g32"});
  }
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("cannot write the file"), std::string::npos) << run.err;
  EXPECT_EQ(folder.names(), Names{});
}

TEST(FullDisk, TrainNamesTheStateThatHasNoRoomAndGoesOnOnceThereIs) {
  ScratchFolder folder;
  write_all(folder / "recipe.toml",
            "mode = \"qat\"\n[quantization]\nscheme = \"int4_g32\"\n[schedule]\nsteps = 3\n"
            "[data]\nbatch_tokens = 256\n[checkpoint]\nevery_steps = 2\n");
  const auto train = [&](const std::string& run) {
    return farthing({"train", stories(), "--recipe", (folder / "recipe.toml").string(), "--data",
                     FARTHING_SOURCE_DIR "/data/tinystories/eval.txt", "-o",
                     (folder / run).string(), "--resume"});
  };
  ProgramRun run;
  {
    const FileSizeLimit limit(1'000'000);  // a state takes 3.1 MB
    run = train("run");
  }
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find((folder / "run" / "step-00000002").string()), std::string::npos)
      << run.err;
  EXPECT_NE(run.err.find("free space"), std::string::npos) << run.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "run" / "step-00000002"));
  EXPECT_EQ(train("run").status, 0);
  EXPECT_EQ(train("whole").status, 0);
  const std::string model = "model/model.safetensors";
  EXPECT_FALSE(read_all(folder / "whole" / model).empty());
  EXPECT_TRUE(read_all(folder / "run" / model) == read_all(folder / "whole" / model));
}

TEST(FullDisk, SavingLogitsLeavesNothing) {
  ScratchFolder folder;
  ProgramRun run;
  {
    const FileSizeLimit limit(50'000);
    run = farthing({"eval", stories(), "--save-logits", (folder / "logits.npy").string(),
                    "--tokens", "128", "--context", "64"});
  }
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(folder.names(), Names{});
}

TEST(FullDisk, AResultThatCannotBePrintedIsAFailure) {
  const std::string command =
      std::string(FARTHING_BUILD_DIR) + "/farthing formats > /dev/full 2> /dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
}

TEST(ClosedPipe, EndsQuietlyWithStatus141) {
  ScratchFolder folder;
  const std::string command = "(" FARTHING_BUILD_DIR "/farthing formats; echo $? > " +
                              (folder / "status").string() + ") 2> " + (folder / "err").string() +
                              " | exec true";
  for (int attempt = 0; attempt < 20; ++attempt) {  // `true` may end after the program wrote
    ASSERT_EQ(std::system(command.c_str()), 0);
    if (read_all(folder / "status") == "141\n") break;
  }
  EXPECT_EQ(read_all(folder / "status"), "141\n");
  EXPECT_EQ(read_all(folder / "err"), "");
}

TEST(UnwritableFolder, IsNamedInTheErrorAndStaysEmpty) {
  ScratchFolder folder;
  const ReadOnlyFolder locked(folder.path());
  const ProgramRun run =
      farthing({"quantize", stories(), "-o", (folder / "q").string(), "--format", "int4_g32"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find((folder / "q").string()), std::string::npos) << run.err;
  EXPECT_EQ(folder.names(), Names{});
}

TEST(ForeignFolder, IsNotReplaced) {
  ScratchFolder folder;
  write_all(folder / "thesis.txt", "three years of work");
  const ProgramRun run =
      farthing({"quantize", stories(), "-o", folder.path().string(), "--format", "int4_g32"});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(folder.names(), Names{"thesis.txt"});
}

}  // namespace
}  // namespace farthing
