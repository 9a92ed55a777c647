// Rows of keys are columns there: the multiplication by queries is done first.
#include "model/gguf/latent.h"

#include <cstring>

namespace farthing {

std::optional<LatentParts> latent_parts(const GgufFile& file, const std::string& name) {
  constexpr std::string_view both = "attn_kv_b.weight";
  if (!name.ends_with(both) || file.find(name) != nullptr) return std::nullopt;
  const std::string block = name.substr(0, name.size() - both.size());
  LatentParts out{block + "attn_k_b.weight", block + "attn_v_b.weight"};
  if (file.find(out.key) == nullptr || file.find(out.value) == nullptr) return std::nullopt;
  return out;
}

QuantizedTensor joined_latent_parts(const Tensor& key, const Tensor& value) {
  const int64_t heads = key.shape()[0], rank = key.shape()[1];
  const int64_t of_key = key.shape()[2], of_value = value.shape()[1], rows = of_key + of_value;
  QuantizedTensor out = QuantizedTensor::allocate(*find_format("f32"), heads * rows, rank);
  auto* to = out.planes[0].as<float>();
  for (int64_t h = 0; h < heads; ++h) {
    const float* keys = key.as<float>() + h * rank * of_key;
    float* head = to + h * rows * rank;
    for (int64_t i = 0; i < of_key; ++i)
      for (int64_t r = 0; r < rank; ++r) head[i * rank + r] = keys[r * of_key + i];
    std::memcpy(head + of_key * rank, value.as<float>() + h * of_value * rank,
                static_cast<size_t>(of_value * rank) * sizeof(float));
  }
  return out;
}

}  // namespace farthing
