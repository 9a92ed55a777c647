// The tensor types of GGUF files: ids, names and block sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tensor/dtype.h"

namespace farthing {

struct GgufTensorType {
  uint32_t id;            // as stored in files
  std::string_view name;  // ggml's: "Q4_0"
  int64_t block_size;     // elements of one block, along the innermost dimension
  int64_t block_bytes;
  std::optional<DType> dtype = std::nullopt;  // of types that are plain arrays
};

// All types that ggml has today; retired ids are not in it. Source: ggml.h and the Python package
// gguf.
std::span<const GgufTensorType> gguf_tensor_types();
// Null where there is no such type. The table lives as long as the program.
const GgufTensorType* gguf_tensor_type(uint32_t id);
const GgufTensorType* gguf_tensor_type(std::string_view name);

}  // namespace farthing
