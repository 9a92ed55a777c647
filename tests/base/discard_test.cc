// discard_partial_outputs: what is on the disk when a process ends early.
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {
using Names = std::vector<std::string>;

TEST(DiscardDeathTest, RemovesWhatWasNotCommittedAndKeepsWhatWas) {
  ScratchFolder folder;
  EXPECT_EXIT(
      {
        auto done = AtomicFile::create(folder / "done");
        if (!done || !done->commit()) ::_exit(1);
        auto file = AtomicFile::create(folder / "file");
        auto directory = AtomicDirectory::create(folder / "directory", "marker");
        if (!file || !directory) ::_exit(2);
        if (!write_text_file(directory->path() / "inside", "x")) ::_exit(3);
        if (folder.names().size() != 3) ::_exit(4);
        discard_partial_outputs();
        ::_exit(0);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EQ(folder.names(), Names{"done"});
}

TEST(DiscardDeathTest, NothingIsWrittenAfterwards) {
  ScratchFolder folder;
  EXPECT_EXIT(
      {
        auto file = AtomicFile::create(folder / "early");
        if (!file) ::_exit(1);
        discard_partial_outputs();
        std::thread([&] { (void)write_text_file(folder / "late", "x"); }).detach();
        std::thread([&] { (void)file->commit(); }).detach();
        ::usleep(50'000);
        ::_exit(0);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EQ(folder.names(), Names{});
}

}  // namespace
}  // namespace farthing
