// Memory maps and atomic writes on POSIX.
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

#include "base/leftovers.h"

namespace farthing {
namespace fs = std::filesystem;

namespace {
Error system_error(std::string what, const fs::path& path, std::string remedy) {
  return {.what = std::move(what),
          .where = path.string(),
          .got = std::strerror(errno),
          .wanted = {},
          .remedy = std::move(remedy)};
}

constexpr const char* write_remedy =
    "free space on the disk or choose a folder that you may write to";

// What discard_partial_outputs has to remove. Outputs come and go under the mutex. Never destroyed:
// a signal may arrive while the process ends.
struct PartialOutputs {
  std::mutex mutex;
  std::set<fs::path> paths;
};
PartialOutputs& partial_outputs() {
  static auto& outputs = *new PartialOutputs;
  return outputs;
}
}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return fail(system_error("cannot open the file", path, "check the path and its permissions"));
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return fail({.what = "not a regular file",
                 .where = path.string(),
                 .got = "a folder or a device",
                 .wanted = "a file",
                 .remedy = "name the file itself"});
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->size_ = static_cast<size_t>(info.st_size);
  if (file->size_ > 0) {
    void* data = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
      auto error =
          system_error("cannot map the file into memory", path, "free address space or memory");
      ::close(descriptor);
      return fail(std::move(error));
    }
    file->data_ = static_cast<const std::byte*>(data);
  }
  ::close(descriptor);
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

Result<std::string> read_text_file(const fs::path& path, size_t limit_bytes) {
  const auto file = TRY(MappedFile::open(path));
  if (file->bytes().size() > limit_bytes) {
    return fail({.what = "the file is too large for what it should be",
                 .where = path.string(),
                 .got = fmt::format("{} bytes", file->bytes().size()),
                 .wanted = fmt::format("at most {} bytes", limit_bytes),
                 .remedy = "check that this is the right file"});
  }
  return std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
}

Result<AtomicFile> AtomicFile::create(const fs::path& target) {
  AtomicFile file;
  file.target_ = target;
  file.partial_ = partial_path(target);
  remove_leftovers(target);
  const std::lock_guard lock(partial_outputs().mutex);
  file.descriptor_ = ::open(file.partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file.descriptor_ < 0)
    return fail(system_error("cannot create the file", target, write_remedy));
  partial_outputs().paths.insert(file.partial_);
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      target_(std::move(other.target_)),
      partial_(std::move(other.partial_)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  const std::lock_guard lock(partial_outputs().mutex);
  ::close(descriptor_);
  ::unlink(partial_.c_str());
  partial_outputs().paths.erase(partial_);
}

Result<> AtomicFile::write(std::span<const std::byte> bytes) { return write_at(size_, bytes); }

namespace {

constexpr size_t most_written_at_once = size_t{4} << 20;

// What is written often lies in a memory map, whose pages the system would look for one by one.
void map_pages(std::span<const std::byte> bytes) {
#ifdef MADV_POPULATE_READ
  constexpr uintptr_t page = 4096;
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) / page * page,
             end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size());
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);  // a request
#endif
}

// The disk begins with these bytes now: commit() would find nearly all of a large file still to be
// written, and wait. An error of the disk stays with the file until commit() asks for it.
void begin_flush(int descriptor, uint64_t offset, uint64_t bytes) {
#ifdef SYNC_FILE_RANGE_WRITE
  constexpr uint64_t least = uint64_t{1} << 20, page = 4096;
  if (bytes < least) return;
  // the pages at both ends belong to neighbours, too
  const uint64_t begin = (offset + page - 1) / page * page, end = (offset + bytes) / page * page;
  ::sync_file_range(descriptor, static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                    SYNC_FILE_RANGE_WRITE);  // a request
#endif
}

}  // namespace

Result<> AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  const uint64_t end = offset + bytes.size();
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), most_written_at_once));
    map_pages(piece);
    const ssize_t n = ::pwrite(descriptor_, piece.data(), piece.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(system_error("cannot write the file", target_, write_remedy));
    begin_flush(descriptor_, offset, static_cast<uint64_t>(n));
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  size_ = std::max(size_, end);
  return {};
}

Result<> AtomicFile::commit() {
  if (::fsync(descriptor_) != 0)
    return fail(system_error("cannot flush the file to the disk", target_, write_remedy));
  const std::lock_guard lock(partial_outputs().mutex);
  partial_outputs().paths.erase(partial_);
  if (::close(std::exchange(descriptor_, -1)) != 0 ||
      ::rename(partial_.c_str(), target_.c_str()) != 0) {
    auto error = system_error("cannot put the finished file in its place", target_, write_remedy);
    ::unlink(partial_.c_str());
    return fail(std::move(error));
  }
  return {};
}

Result<> write_text_file(const fs::path& target, std::string_view text) {
  auto file = TRY(AtomicFile::create(target));
  TRY(file.write(text));
  return file.commit();
}

Result<> append_text_file(const fs::path& target, std::string_view text) {
  const int descriptor = ::open(target.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                                S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  bool written = descriptor >= 0;
  while (written && !text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    written = count >= 0;
    if (written) text.remove_prefix(static_cast<size_t>(count));
  }
  Error error = written ? Error{} : system_error("cannot write the file", target, write_remedy);
  if (descriptor >= 0) ::close(descriptor);
  if (!written) return fail(std::move(error));
  return {};
}

Result<AtomicDirectory> AtomicDirectory::create(const fs::path& target, std::string marker) {
  std::error_code code;
  fs::path clean = target.lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  if (fs::exists(clean, code) &&
      (!fs::is_directory(clean, code) ||
       (!fs::is_empty(clean, code) && !fs::exists(clean / marker, code)))) {
    return fail({.what = "the output folder holds files that this command did not write",
                 .where = clean.string(),
                 .got = fmt::format("a folder without the file {}", marker),
                 .wanted = "no such folder, an empty one, or one that this command wrote before",
                 .remedy = "choose another output folder or remove this one"});
  }
  AtomicDirectory directory;
  directory.target_ = clean;
  directory.partial_ = partial_path(clean);
  remove_leftovers(clean);
  const std::lock_guard lock(partial_outputs().mutex);
  if (clean.has_parent_path()) fs::create_directories(clean.parent_path(), code);
  fs::remove_all(directory.partial_, code);
  if (!fs::create_directory(directory.partial_, code)) {
    return fail({.what = "cannot create the output folder",
                 .where = clean.string(),
                 .got = code.message(),
                 .wanted = {},
                 .remedy = write_remedy});
  }
  partial_outputs().paths.insert(directory.partial_);
  directory.open_ = true;
  return directory;
}

AtomicDirectory::AtomicDirectory(AtomicDirectory&& other) noexcept
    : target_(std::move(other.target_)),
      partial_(std::move(other.partial_)),
      open_(std::exchange(other.open_, false)) {}

AtomicDirectory::~AtomicDirectory() {
  if (!open_) return;
  const std::lock_guard lock(partial_outputs().mutex);
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
  partial_outputs().paths.erase(partial_);
}

namespace {

// Puts `from` in the place of the folder `to`, and leaves there what was in it. Where the file
// system cannot exchange two folders, there is none at `to` for a moment.
std::error_code exchange(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return {};
  std::error_code error;
  fs::path aside = from;
  aside += ".old";
  fs::rename(to, aside, error);
  if (!error) fs::rename(from, to, error);
  if (!error) fs::rename(aside, from, error);
  return error;
}

}  // namespace

Result<> AtomicDirectory::commit() {
  const std::lock_guard lock(partial_outputs().mutex);
  std::error_code code;
  if (fs::exists(target_, code)) {
    code = exchange(partial_, target_);
    std::error_code ignored;
    if (!code) fs::remove_all(partial_, ignored);
  } else {
    fs::rename(partial_, target_, code);
  }
  if (code) {
    return fail({.what = "cannot put the finished folder in its place",
                 .where = target_.string(),
                 .got = code.message(),
                 .wanted = {},
                 .remedy = write_remedy});
  }
  partial_outputs().paths.erase(partial_);
  open_ = false;
  return {};
}

void discard_partial_outputs() {
  PartialOutputs& outputs = partial_outputs();
  outputs.mutex.lock();  // and never unlocked: nothing is created or committed any more
  for (const fs::path& path : outputs.paths) {
    // Another thread may be copying a file into the folder right now: then the folder is not empty
    // at first.
    std::error_code code;
    for (int attempt = 0; attempt < 100; ++attempt) {
      fs::remove_all(path, code);
      if (!code) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
}

}  // namespace farthing
