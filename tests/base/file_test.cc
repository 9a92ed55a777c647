// Memory maps and atomic writes: what is on the disk after success and after every kind of failure.
#include "base/file.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <atomic>
#include <thread>

#include <array>

#include "base/support/disk_trouble.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {
namespace fs = std::filesystem;
using Names = std::vector<std::string>;

TEST(MappedFile, HoldsTheBytesOfTheFile) {
  ScratchFolder folder;
  write_all(folder / "a", std::string("x\0y", 3));
  const auto file = MappedFile::open(folder / "a");
  ASSERT_TRUE(file) << file.error().text();
  ASSERT_EQ((*file)->bytes().size(), 3u);
  EXPECT_EQ((*file)->bytes()[2], std::byte{'y'});
}

TEST(MappedFile, AnEmptyFileIsEmpty) {
  ScratchFolder folder;
  write_all(folder / "a", "");
  const auto file = MappedFile::open(folder / "a");
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_TRUE((*file)->bytes().empty());
}

TEST(MappedFile, AMissingFileIsNamedInTheError) {
  ScratchFolder folder;
  const auto file = MappedFile::open(folder / "missing");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().where, (folder / "missing").string());
  EXPECT_EQ(file.error().got, "No such file or directory");
}

TEST(MappedFile, FoldersAndPipesAreRefusedWithoutWaiting) {
  ScratchFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(MappedFile::open(folder.path()));
  EXPECT_FALSE(MappedFile::open(folder / "pipe"));
}

TEST(ReadTextFile, RefusesMoreThanTheLimit) {
  ScratchFolder folder;
  write_all(folder / "a", "12345");
  EXPECT_EQ(read_text_file(folder / "a", 5).value(), "12345");
  const auto text = read_text_file(folder / "a", 4);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().got, "5 bytes");
}

TEST(AtomicFile, AppearsOnlyAtCommit) {
  ScratchFolder folder;
  auto file = AtomicFile::create(folder / "a");
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->write("hello"));
  EXPECT_FALSE(fs::exists(folder / "a"));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(folder.names(), Names{"a"});
  EXPECT_EQ(read_all(folder / "a"), "hello");
}

TEST(AtomicFile, WithoutCommitNothingIsLeftAndTheOldFileStays) {
  ScratchFolder folder;
  write_all(folder / "a", "old");
  {
    auto file = AtomicFile::create(folder / "a");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("new"));
  }
  EXPECT_EQ(folder.names(), Names{"a"});
  EXPECT_EQ(read_all(folder / "a"), "old");
}

TEST(AtomicFile, AMovedFromFileDoesNotRemoveWhatTheNewOwnerWrites) {
  ScratchFolder folder;
  {
    auto file = AtomicFile::create(folder / "a");
    ASSERT_TRUE(file);
    AtomicFile owner(std::move(*file));
    ASSERT_TRUE(owner.write("kept"));
    ASSERT_TRUE(owner.commit());
  }
  EXPECT_EQ(read_all(folder / "a"), "kept");
}

TEST(AtomicFile, WriteAtOverwritesAndFillsGapsWithZeros) {
  ScratchFolder folder;
  auto file = AtomicFile::create(folder / "a");
  ASSERT_TRUE(file);
  const std::array bytes{std::byte{'x'}, std::byte{'y'}};
  ASSERT_TRUE(file->write("abc"));
  ASSERT_TRUE(file->write_at(1, bytes));
  ASSERT_TRUE(file->write_at(5, bytes));
  EXPECT_EQ(file->size(), 7u);
  ASSERT_TRUE(file->write("z"));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(read_all(folder / "a"), std::string("axy\0\0xyz", 8));
}

TEST(AtomicFile, AFullDiskIsReportedAndLeavesTheOldFile) {
  ScratchFolder folder;
  write_all(folder / "a", "old");
  {
    FileSizeLimit limit(4096);
    auto file = AtomicFile::create(folder / "a");
    ASSERT_TRUE(file);
    const auto written = file->write(std::string(5000, 'x'));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().where, (folder / "a").string());
    EXPECT_EQ(written.error().got, "File too large");
  }
  EXPECT_EQ(folder.names(), Names{"a"});
  EXPECT_EQ(read_all(folder / "a"), "old");
}

TEST(AtomicFile, AForbiddenFolderIsReported) {
  ScratchFolder folder;
  {
    ReadOnlyFolder forbidden(folder.path());
    const auto file = AtomicFile::create(folder / "a");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().got, "Permission denied");
  }
  EXPECT_EQ(folder.names(), Names{});
}

TEST(AtomicFile, ATargetThatIsAFolderIsReportedAtCommitAndStays) {
  ScratchFolder folder;
  fs::create_directory(folder / "a");
  auto file = AtomicFile::create(folder / "a");
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->commit());
  EXPECT_EQ(folder.names(), Names{"a"});
}

TEST(AtomicDirectory, AppearsWholeAtCommit) {
  ScratchFolder folder;
  auto directory = AtomicDirectory::create(folder / "out", "marker");
  ASSERT_TRUE(directory) << directory.error().text();
  write_all(directory->path() / "marker", "1");
  EXPECT_FALSE(fs::exists(folder / "out"));
  ASSERT_TRUE(directory->commit());
  EXPECT_EQ(folder.names(), Names{"out"});
  EXPECT_EQ(read_all(folder / "out" / "marker"), "1");
}

TEST(AtomicDirectory, WithoutCommitNothingIsLeft) {
  ScratchFolder folder;
  {
    auto directory = AtomicDirectory::create(folder / "out", "marker");
    ASSERT_TRUE(directory);
    write_all(directory->path() / "marker", "1");
  }
  EXPECT_EQ(folder.names(), Names{});
}

TEST(AtomicDirectory, ReplacesWhatAnEarlierRunWroteAsAWhole) {
  ScratchFolder folder;
  for (const char* name : {"first", "second"}) {
    auto directory = AtomicDirectory::create(folder / "out/", "marker");
    ASSERT_TRUE(directory) << directory.error().text();
    write_all(directory->path() / "marker", "1");
    write_all(directory->path() / name, "");
    ASSERT_TRUE(directory->commit());
  }
  EXPECT_FALSE(fs::exists(folder / "out" / "first"));
  EXPECT_TRUE(fs::exists(folder / "out" / "second"));
}

// One that looks at any instant, as one that is killed then would leave it.
TEST(AtomicDirectory, IsThereWhileItIsReplaced) {
  ScratchFolder folder;
  std::atomic<bool> ended = false;
  int missed = 0;
  std::thread watcher;
  for (int run = 0; run < 200; ++run) {
    auto directory = AtomicDirectory::create(folder / "out", "marker");
    ASSERT_TRUE(directory);
    for (const char* name : {"a", "marker", "z"})
      ASSERT_TRUE(write_text_file(directory->path() / name, "new"));
    ASSERT_TRUE(directory->commit());
    if (run > 0) continue;
    watcher = std::thread([&] {
      while (!ended) missed += !fs::exists(folder / "out/marker");
    });
  }
  ended = true;
  watcher.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"out"});
}

TEST(AtomicDirectory, ForeignFilesAreNeverReplaced) {
  ScratchFolder folder;
  fs::create_directory(folder / "out");
  write_all(folder / "out" / "thesis.txt", "precious");
  write_all(folder / "file", "precious too");
  EXPECT_FALSE(AtomicDirectory::create(folder / "out", "marker"));
  EXPECT_FALSE(AtomicDirectory::create(folder / "file", "marker"));
  EXPECT_EQ(read_all(folder / "out" / "thesis.txt"), "precious");
  EXPECT_EQ(read_all(folder / "file"), "precious too");
  EXPECT_EQ(folder.names(), (Names{"file", "out"}));
}

TEST(AtomicDirectory, AForbiddenFolderIsReported) {
  ScratchFolder folder;
  {
    ReadOnlyFolder forbidden(folder.path());
    const auto directory = AtomicDirectory::create(folder / "out", "marker");
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().got, "Permission denied");
  }
  EXPECT_EQ(folder.names(), Names{});
}

}  // namespace
}  // namespace farthing
