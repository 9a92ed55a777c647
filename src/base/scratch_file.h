// ScratchFile: a file without a name, for what is too much to keep in memory. It goes with the
// object, or with the process, however that ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace farthing {

class ScratchFile {
 public:
  // On the file system of `folder`.
  static Result<ScratchFile> create(const std::filesystem::path& folder);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&&) = delete;

  // By several threads at a time, of places that do not overlap. Reports a full disk.
  Result<> write(uint64_t offset, std::span<const std::byte> bytes);
  // What was not written is an error.
  Result<> read(uint64_t offset, std::span<std::byte> to) const;

 private:
  ScratchFile(int descriptor, std::filesystem::path folder)
      : descriptor_(descriptor), folder_(std::move(folder)) {}
  int descriptor_;
  std::filesystem::path folder_;
};

}  // namespace farthing
