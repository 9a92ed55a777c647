// Files made in memory, byte by byte, for tests of readers.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace farthing {

inline std::shared_ptr<Storage> storage_of(std::string_view bytes) {
  auto storage = Storage::allocate(static_cast<int64_t>(bytes.size()));
  if (!bytes.empty()) std::memcpy(storage->data(), bytes.data(), bytes.size());
  return storage;
}

// The value's bytes, little endian.
template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// A safetensors file with any header and data.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return raw<uint64_t>(header.size()) + header + data;
}

inline std::string gguf_string(const std::string& text) {
  return raw<uint64_t>(text.size()) + text;
}

// One metadata pair: `value` as it lies in the file.
inline std::string gguf_pair(const std::string& key, uint32_t type, const std::string& value) {
  return gguf_string(key) + raw(type) + value;
}

// One tensor's description; `sizes` innermost first, as files have them.
inline std::string gguf_tensor(const std::string& name, const std::vector<uint64_t>& sizes,
                               uint32_t type, uint64_t offset) {
  std::string out = gguf_string(name) + raw(static_cast<uint32_t>(sizes.size()));
  for (const uint64_t size : sizes) out += raw(size);
  return out + raw(type) + raw(offset);
}

// A whole GGUF file; the data begins at the next multiple of `alignment`.
inline std::string gguf_bytes(const std::vector<std::string>& pairs,
                              const std::vector<std::string>& tensors, const std::string& data,
                              uint32_t version = 3, size_t alignment = 32) {
  std::string out =
      "GGUF" + raw(version) + raw<uint64_t>(tensors.size()) + raw<uint64_t>(pairs.size());
  for (const auto& pair : pairs) out += pair;
  for (const auto& tensor : tensors) out += tensor;
  out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
  return out + data;
}

}  // namespace farthing
