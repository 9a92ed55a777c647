// Safetensors files: a JSON header that names the tensors, then their bytes
// (huggingface/safetensors).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace farthing {

using SafetensorsMetadata = std::map<std::string, std::string>;

// A file for reading; every size and offset in it has been checked, and every byte belongs to one
// tensor.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    int64_t begin, end;  // bytes of the file
  };

  static Result<SafetensorsFile> open(const std::filesystem::path& path);
  // `where` names the bytes in errors.
  static Result<SafetensorsFile> parse(std::shared_ptr<Storage> storage, std::string where);

  // In the order of the bytes.
  const std::vector<Entry>& entries() const { return entries_; }
  const SafetensorsMetadata& metadata() const { return metadata_; }
  const Entry* find(std::string_view name) const;
  // Shares the file's memory, read-only; copied where the file's offset is no multiple of the
  // element size.
  Result<Tensor> tensor(std::string_view name) const;
  Tensor tensor(const Entry& entry) const;

 private:
  SafetensorsFile() = default;
  std::shared_ptr<Storage> storage_;
  std::string where_;
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
  SafetensorsMetadata metadata_;
};

// Writes a file whose tensors are declared first; their bytes then come in any order and in pieces.
class SafetensorsWriter {
 public:
  struct Declaration {
    std::string name;
    DType dtype;
    Shape shape;
    // One dimension whose length is known once it is written, by one call; `shape` is the most.
    bool counted = false;
  };

  // The layout: larger element types first (which aligns every tensor), then in the order given;
  // counted tensors behind all others, in the order in which they come. For them the header ends
  // in spaces, as its length has to be known before.
  static Result<SafetensorsWriter> create(const std::filesystem::path& target,
                                          const std::vector<Declaration>& tensors,
                                          const SafetensorsMetadata& metadata = {});
  // The next bytes of tensor `name`; not more than it has.
  Result<> write(std::string_view name, std::span<const std::byte> bytes);
  // Every tensor must be complete.
  Result<> commit();

 private:
  struct Window {
    int64_t begin, end;  // of the data
    int64_t next;
  };
  explicit SafetensorsWriter(AtomicFile file) : file_(std::move(file)) {}
  std::string header() const;

  AtomicFile file_;
  std::vector<Declaration> tensors_;  // in the order of the header
  SafetensorsMetadata metadata_;
  std::map<std::string, Window, std::less<>> windows_;
  int64_t header_bytes_ = 0;
  int64_t data_end_ = 0;  // where the next counted tensor begins
};

// Writes `tensors` in one go.
Result<> write_safetensors(const std::filesystem::path& target,
                           const std::vector<std::pair<std::string, Tensor>>& tensors,
                           const SafetensorsMetadata& metadata = {});

}  // namespace farthing
