// Unnamed files of Linux, and where a file system has none, a name that is removed at once.
#include "base/scratch_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
namespace farthing {
namespace {

Error scratch_error(std::string what, std::string got, const std::filesystem::path& folder) {
  return {.what = std::move(what),
          .where = folder.string(),
          .got = std::move(got),
          .wanted = {},
          .remedy = "free space on the disk or choose a folder that you may write to"};
}

int open_unnamed(const std::filesystem::path& folder) {
  const int unnamed = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed >= 0) return unnamed;
  std::string name = (folder / "scratch.partial-XXXXXX").string();
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

Result<ScratchFile> ScratchFile::create(const std::filesystem::path& folder) {
  const int descriptor = open_unnamed(folder);
  if (descriptor < 0)
    return fail(scratch_error("cannot create a scratch file", std::strerror(errno), folder));
  return ScratchFile(descriptor, folder);
}

ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), folder_(std::move(other.folder_)) {}

Result<> ScratchFile::write(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return fail(scratch_error("cannot write to a scratch file", std::strerror(errno), folder_));
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Result<> ScratchFile::read(uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got = ::pread(descriptor_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return fail(scratch_error("cannot read a scratch file",
                                got == 0 ? "its end" : std::strerror(errno), folder_));
    offset += static_cast<uint64_t>(got);
    to = to.subspan(static_cast<size_t>(got));
  }
  return {};
}

}  // namespace farthing
