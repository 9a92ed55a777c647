// NumPy .npy files of 32-bit floats in C order.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace farthing {

// Writes an array whose shape is known first; its values come in pieces. The bytes are
// numpy.save's.
class NpyWriter {
 public:
  static Result<NpyWriter> create(const std::filesystem::path& target, const Shape& shape);
  // The next values; not more than the shape has.
  Result<> write(std::span<const float> values);
  // All values must be written.
  Result<> commit();

 private:
  NpyWriter(AtomicFile file, int64_t missing) : file_(std::move(file)), missing_(missing) {}
  AtomicFile file_;
  int64_t missing_;  // values
};

// The array of a file: little-endian float32 in C order, at most four dimensions; else an error.
// Shares the file's memory, read-only.
Result<Tensor> read_npy(const std::filesystem::path& path);
// `where` names the bytes in errors.
Result<Tensor> parse_npy(std::shared_ptr<Storage> storage, const std::string& where);

}  // namespace farthing
