// Scratch files: what was written comes back, and nothing is left in the folder.
#include "base/scratch_file.h"

#include <gtest/gtest.h>

#include <string>

#include "base/support/disk_trouble.h"
#include "base/support/scratch_folder.h"

namespace farthing {
namespace {

TEST(ScratchFile, GivesBackWhatWasWrittenInAnyOrder) {
  const ScratchFolder folder;
  auto file = ScratchFile::create(folder.path());
  ASSERT_TRUE(file) << file.error().text();
  ASSERT_TRUE(file->write(3, std::as_bytes(std::span("def", 3))));
  ASSERT_TRUE(file->write(0, std::as_bytes(std::span("abc", 3))));
  std::string got(5, '?');
  ASSERT_TRUE(file->read(1, std::as_writable_bytes(std::span(got))));
  EXPECT_EQ(got, "bcdef");
}

TEST(ScratchFile, HasNoName) {
  const ScratchFolder folder;
  auto file = ScratchFile::create(folder.path());
  ASSERT_TRUE(file && file->write(0, std::as_bytes(std::span("abc", 3))));
  EXPECT_TRUE(folder.names().empty());
}

TEST(ScratchFile, BehindItsEndIsAnError) {
  const ScratchFolder folder;
  auto file = ScratchFile::create(folder.path());
  ASSERT_TRUE(file && file->write(0, std::as_bytes(std::span("abc", 3))));
  std::string got(4, '?');
  const auto read = file->read(0, std::as_writable_bytes(std::span(got)));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().got, "its end");
}

TEST(ScratchFile, AFullDiskIsReported) {
  const ScratchFolder folder;
  const FileSizeLimit limit(4096);
  auto file = ScratchFile::create(folder.path());
  ASSERT_TRUE(file);
  const std::string much(5000, 'x');
  const auto written = file->write(0, std::as_bytes(std::span(much)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().where, folder.path().string());
  EXPECT_EQ(written.error().got, "File too large");
}

TEST(ScratchFile, AForbiddenFolderIsReported) {
  const ScratchFolder folder;
  const ReadOnlyFolder forbidden(folder.path());
  const auto file = ScratchFile::create(folder.path());
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().got, "Permission denied");
}

}  // namespace
}  // namespace farthing
