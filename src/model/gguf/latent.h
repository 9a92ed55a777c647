// DeepSeek's keys and values from the latent vector, which newer GGUF files hold in two tensors.
#pragma once

#include <optional>
#include <string>

#include "formats/format.h"
#include "io/gguf/gguf.h"
#include "tensor/tensor.h"

namespace farthing {

struct LatentParts {
  std::string key, value;
};

// The two tensors that stand for "blk.3.attn_kv_b.weight" where the file lacks that one.
std::optional<LatentParts> latent_parts(const GgufFile& file, const std::string& name);

// [heads * (of_key + of_value), rank], each head's keys before its values, from the keys [heads,
// rank, of_key] and the values [heads, of_value, rank], both f32. The result is f32: what was
// quantized along the other axis has no codes in this one.
QuantizedTensor joined_latent_parts(const Tensor& key, const Tensor& value);

}  // namespace farthing
