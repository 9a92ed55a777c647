// The system's files in memory, which may be larger than memory as long as nobody writes.
#include "advise/hole.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace farthing {

Result<Hole> Hole::make(int64_t bytes) {
  Hole out(::memfd_create("hole", MFD_CLOEXEC));
  if (out.descriptor_ >= 0 && ::ftruncate(out.descriptor_, bytes) == 0) return out;
  return fail({.what = "cannot make an empty file in memory",
               .where = "memfd_create",
               .got = fmt::format("{} bytes", bytes),
               .wanted = "a file without contents",
               .remedy = "check the sizes in config.json, and the limits of this process"});
}

Hole::~Hole() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Hole::Hole(Hole&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

std::filesystem::path Hole::path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

}  // namespace farthing
