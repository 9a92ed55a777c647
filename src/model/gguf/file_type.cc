// Source: enum llama_ftype of llama.cpp's llama.h.
#include "model/gguf/file_type.h"

#include <algorithm>
#include <map>

namespace farthing {
namespace {

// Of K types that mix, the number is that of the medium mixture.
constexpr std::pair<std::string_view, uint32_t> file_types[] = {
    {"F32", 0},      {"F16", 1},     {"Q4_0", 2},     {"Q4_1", 3},   {"Q8_0", 7},    {"Q5_0", 8},
    {"Q5_1", 9},     {"Q2_K", 10},   {"Q3_K", 12},    {"Q4_K", 15},  {"Q5_K", 17},   {"Q6_K", 18},
    {"IQ2_XXS", 19}, {"IQ2_XS", 20}, {"IQ3_XXS", 23}, {"IQ1_S", 24}, {"IQ4_NL", 25}, {"IQ3_S", 26},
    {"IQ2_S", 28},   {"IQ4_XS", 30}, {"IQ1_M", 31},   {"BF16", 32},  {"TQ1_0", 36},  {"TQ2_0", 37},
    {"MXFP4", 38},   {"NVFP4", 39}};

}  // namespace

std::optional<uint32_t> gguf_file_type(const std::vector<GgufWriter::Declaration>& tensors) {
  std::map<std::string_view, int64_t> bytes;
  for (const auto& tensor : tensors)
    if (tensor.shape.rank() >= 2)
      bytes[tensor.type->name] +=
          tensor.shape.elements() / tensor.type->block_size * tensor.type->block_bytes;
  const auto most = std::max_element(
      bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == bytes.end()) return std::nullopt;
  for (const auto& [name, number] : file_types)
    if (name == most->first) return number;
  return std::nullopt;
}

}  // namespace farthing
