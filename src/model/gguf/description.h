// A model's configuration as GGUF metadata: the way back of translation.h, for every architecture.
#pragma once

#include <string>
#include <vector>

#include "io/gguf/gguf_metadata.h"
#include "io/json.h"
#include "model/model.h"

namespace farthing {

// The architecture by whose names GGUF files hold such a model: its own, or Llama's where the files
// of one call themselves so. Fails where GGUF has none.
Result<const Architecture*> gguf_architecture_for(const ModelConfig& config,
                                                  const std::string& where);

struct GgufDescription {
  GgufMetadataBuilder metadata;  // general.architecture, and the keys of that architecture
  // Factors by which the frequencies of positions are divided, as tensors of f32.
  std::vector<std::pair<std::string, std::vector<float>>> factors;
};

// What a plan has no place for (lists of factors for long texts) comes from config.json. That a
// reader of the metadata gets the same model is not checked here (same_model.h).
Result<GgufDescription> describe_for_gguf(const ModelConfig& config, const JsonObject& json,
                                          const Architecture& architecture);

}  // namespace farthing
