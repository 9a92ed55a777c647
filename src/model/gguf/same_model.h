// Whether two configurations are one model, wherever they were read from.
#pragma once

#include <optional>
#include <string>

#include "model/config.h"

namespace farthing {

// A part in which they differ.
struct ModelDifference {
  std::string part;  // "block 3, attention.window"
  std::string wanted, got;
};

// The first part that makes `got` another function than `wanted`, or lets it read other tensors.
// Constants that GGUF holds as f32 may differ by their rounding.
std::optional<ModelDifference> difference_of_models(const ModelConfig& wanted,
                                                    const ModelConfig& got);

}  // namespace farthing
