// What killed processes leave is removed, and nothing else.
#include "base/leftovers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/file.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

pid_t ended_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return child;
}

std::string partial(const std::string& name, pid_t process) {
  return fmt::format("{}.partial-{}", name, process);
}

TEST(Leftovers, ThoseOfEndedProcessesAreRemoved) {
  ScratchFolder folder;
  const pid_t ended = ended_process();
  const std::string kept[] = {"out",
                              partial("out", ::getpid()),
                              partial("other", ended),
                              partial("out", ended) + ".txt",
                              "out.partial-x",
                              "out.partial-"};
  for (const std::string& name : kept) write_all(folder / name, "stays");
  fs::create_directory(folder / partial("out", ended));
  write_all(folder / partial("out", ended) / "file", "goes");
  write_all(folder / (partial("out", ended) + ".old"), "goes");
  remove_leftovers(folder / "out");
  std::vector<std::string> wanted(std::begin(kept), std::end(kept));
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(folder.names(), wanted);
}

TEST(Leftovers, FilesAndFoldersThatAreWrittenAgainHaveNone) {
  ScratchFolder folder;
  const pid_t ended = ended_process();
  write_all(folder / partial("file", ended), "goes");
  write_all(folder / partial("out", ended), "goes");
  ASSERT_TRUE(write_text_file(folder / "file", "new"));
  auto directory = AtomicDirectory::create(folder / "out/", "marker");
  ASSERT_TRUE(directory && directory->commit());
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"file", "out"}));
}

// To one that looks at any instant: no file of a folder is gone while the folder is there.
TEST(RemoveFolder, IsWholeOrGone) {
  ScratchFolder folder;
  std::atomic<int> run = 0;  // that is being removed; 0: none
  std::atomic<bool> ended = false;
  int broken = 0;
  const auto work = [&](int n) { return folder / std::to_string(n); };
  std::thread watcher([&] {
    for (int file = 0; !ended; file = (file + 1) % 50)
      if (const int n = run; n > 0)
        broken += !fs::exists(work(n) / std::to_string(file)) && fs::exists(work(n));
  });
  for (int n = 1; n <= 50; ++n) {
    fs::create_directory(work(n));
    for (int i = 0; i < 50; ++i) write_all(work(n) / std::to_string(i), "a file");
    run = n;
    remove_folder(work(n));
    run = 0;
  }
  ended = true;
  watcher.join();
  EXPECT_EQ(broken, 0);
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace farthing
