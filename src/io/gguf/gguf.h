// GGUF files: metadata, tensor descriptions and tensor bytes in one file (ggml-org/ggml,
// docs/gguf.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "io/gguf/gguf_metadata.h"
#include "io/gguf/gguf_types.h"
#include "tensor/tensor.h"

namespace farthing {

// A file for reading: version 2 or 3, little endian. Every count, size and offset in it has been
// checked.
class GgufFile {
 public:
  struct Entry {
    std::string name;
    const GgufTensorType* type;
    Shape shape;         // outermost first: the file's order reversed
    int64_t begin, end;  // bytes of the file
  };

  static Result<GgufFile> open(const std::filesystem::path& path);
  // `where` names the bytes in errors. Of a file of `file_bytes` the storage may be the beginning
  // alone: tensors beyond it must not be asked for.
  static Result<GgufFile> parse(std::shared_ptr<Storage> storage, std::string where,
                                int64_t file_bytes = 0);

  int version() const { return version_; }
  const GgufMetadata& metadata() const { return metadata_; }
  // In the file's order.
  const std::vector<Entry>& tensors() const { return tensors_; }
  const Entry* find(std::string_view name) const;
  const std::string& where() const { return where_; }

  // The tensor's blocks as they are stored, as u8 of rank 1. Shares the file's memory, read-only;
  // copied where it is not aligned to 8 bytes.
  Tensor bytes(const Entry& entry) const;
  Result<Tensor> bytes(std::string_view name) const;
  // A tensor of a plain type with its shape; fails for quantized types.
  Result<Tensor> plain(std::string_view name) const;

 private:
  GgufFile() = default;
  Result<const Entry*> required(std::string_view name) const;
  std::shared_ptr<Storage> storage_;
  std::string where_;
  int version_ = 0;
  GgufMetadata metadata_;
  std::vector<Entry> tensors_;
  std::map<std::string, size_t, std::less<>> index_;
};

// Writes a file of version 3 whose metadata and tensors are declared first; the tensors' bytes then
// come in any order and in pieces. Tensors lie in the order of their declarations, each at a
// multiple of 32 bytes.
class GgufWriter {
 public:
  struct Declaration {
    std::string name;
    const GgufTensorType* type;
    Shape shape;  // outermost first; the innermost size is a multiple of the block size
  };

  // All before the first tensor's bytes, and the bytes of the whole file.
  struct Head {
    std::string bytes;
    int64_t file_bytes;
  };
  static Head head_of(const GgufMetadataBuilder& metadata, const std::vector<Declaration>& tensors);

  static Result<GgufWriter> create(const std::filesystem::path& target,
                                   const GgufMetadataBuilder& metadata,
                                   const std::vector<Declaration>& tensors);
  // The next bytes of tensor `name`; not more than it has.
  Result<> write(std::string_view name, std::span<const std::byte> bytes);
  // Every tensor must be complete.
  Result<> commit();

 private:
  struct Window {
    int64_t next, end;
  };
  explicit GgufWriter(AtomicFile file) : file_(std::move(file)) {}
  AtomicFile file_;
  int64_t file_bytes_ = 0;  // with the padding of the last tensor
  std::map<std::string, Window, std::less<>> windows_;
};

}  // namespace farthing
