// ModelConfig: what other floors ask of a model's configuration, and the plan of its decoder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/plan.h"

namespace farthing {

struct ModelConfig {
  std::string architecture;  // as the registry of architectures names it: "llama"
  int64_t hidden_size = 0, intermediate_size = 0, layers = 0, heads = 0;
  int64_t kv_heads = 0, head_dim = 0;  // of every layer
  int64_t vocabulary_size = 0;
  int64_t max_positions = 0;
  std::optional<int32_t> bos_token, eos_token;
  std::vector<int32_t> stop_tokens;  // each ends a text that is generated; eos_token is the first
  DecoderPlan plan;

  bool tied_embeddings() const { return plan.head.name.empty(); }
};

class JsonObject;
class GgufFile;

// From a Hugging Face config.json, whose place its errors name.
Result<ModelConfig> config_from_json(const JsonObject& json);
// The config.json that a GGUF file's metadata amount to.
Result<std::string> config_json_from_gguf(const GgufFile& file);

}  // namespace farthing
