// A tiny random Llama that a test writes to disk, whole or damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace farthing::testing {

struct TinyModel {
  // Hidden size 32, inner 64, 2 layers, 4 heads of 8, 2 KV heads, 40 tokens.
  explicit TinyModel(bool tied = true);

  Tensor& tensor(const std::string& name);
  void remove_tensor(const std::string& name);
  // Sets config.json's field to a JSON value; an empty one removes the field.
  void set(const std::string& field, const std::string& json);

  void write_hugging_face(const std::filesystem::path& folder) const;
  // The same model as GGUF: names, and the query and key rows in its order.
  void write_gguf(const std::filesystem::path& file) const;

  std::map<std::string, std::string> config;     // config.json: field -> JSON value
  std::map<std::string, uint32_t> gguf_numbers;  // GGUF metadata
  std::map<std::string, std::string> gguf_strings;
  std::vector<std::pair<std::string, Tensor>> tensors;  // by Hugging Face's names
};

}  // namespace farthing::testing
