// A calibration for plans: what linears get does not change what they take.
#pragma once

#include "eval/calibration/calibration.h"

namespace farthing {

// Has seen every linear and table of the model.
inline std::shared_ptr<const Calibration> known_inputs(const ModelConfig& config) {
  auto out = std::make_shared<Calibration>();
  const TensorSpecs specs = tensors_of(config);
  SeenInput seen;
  static_cast<Extremes&>(seen) = {-1.0f, 1.0f};
  for (const auto* list : {&specs.linears, &specs.tables})
    for (const LinearSpec& spec : *list) out->inputs.emplace(spec.name, seen);
  return out;
}

// Scales of a KV cache.
inline std::shared_ptr<const KvScales> known_scales(const ModelConfig& config) {
  const std::vector<float> ones(static_cast<size_t>(config.layers * config.kv_heads), 1.0f);
  return std::make_shared<KvScales>(KvScales{ones, ones});
}

}  // namespace farthing
