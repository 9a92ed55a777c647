// ModelConfig: the sizes and constants of a decoder, from config.json or GGUF metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ops/rope.h"

namespace farthing {

struct ModelConfig {
  std::string architecture;  // as the registry of architectures names it: "llama"
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocabulary_size = 0;
  int64_t max_positions = 0;
  float norm_epsilon = 0;
  RopeParameters rope;
  bool tied_embeddings = false;
  std::optional<int32_t> bos_token, eos_token;
};

class JsonObject;
class GgufFile;

// From a Hugging Face config.json; `where` names the file in errors.
Result<ModelConfig> config_from_json(const JsonObject& json);
// From GGUF metadata.
Result<ModelConfig> config_from_gguf(const GgufFile& file);

}  // namespace farthing
