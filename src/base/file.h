// Files: memory maps for reading, and writing that is complete or absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace farthing {

// A read-only memory map of a whole regular file.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::filesystem::path path_;
};

// The whole file as a string; refuses more than `limit_bytes`.
Result<std::string> read_text_file(const std::filesystem::path& path,
                                   size_t limit_bytes = size_t{1} << 30);

// A file that is written beside its target (same folder, name.partial-PID) and renamed by commit().
// Without commit, the destructor removes what was written. Every call reports a full disk.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& target);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  Result<> write(std::span<const std::byte> bytes);
  Result<> write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  // Writes at `offset`, before or beyond what was written; a gap reads as zeros.
  Result<> write_at(uint64_t offset, std::span<const std::byte> bytes);
  uint64_t size() const { return size_; }
  // Flushes to the disk and renames. Nothing can be written afterwards.
  Result<> commit();

 private:
  AtomicFile() = default;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::filesystem::path target_, partial_;
};

Result<> write_text_file(const std::filesystem::path& target, std::string_view text);

// Adds to the end of a file, which is made where it is absent: what was there stays, whatever
// happens. After a failure the text may be there in part.
Result<> append_text_file(const std::filesystem::path& target, std::string_view text);

// A folder that is filled beside its target and renamed by commit(). An existing target is replaced
// only when it is empty or an earlier run wrote it (it holds the file `marker`).
class AtomicDirectory {
 public:
  static Result<AtomicDirectory> create(const std::filesystem::path& target, std::string marker);
  ~AtomicDirectory();
  AtomicDirectory(AtomicDirectory&& other) noexcept;
  AtomicDirectory& operator=(AtomicDirectory&&) = delete;

  // Where to write the files until commit().
  const std::filesystem::path& path() const { return partial_; }
  Result<> commit();

 private:
  AtomicDirectory() = default;
  std::filesystem::path target_, partial_;
  bool open_ = false;
};

// For a process that is about to end, from any thread: removes what every uncommitted AtomicFile
// and AtomicDirectory wrote. From then on a thread that creates or commits one waits for ever.
void discard_partial_outputs();

}  // namespace farthing
