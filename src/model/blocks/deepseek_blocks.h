// The plan of DeepSeek's blocks: latent attention, and experts behind the first, dense layers.
#pragma once

#include "model/blocks/llama_blocks.h"
#include "model/model.h"

namespace farthing {

// What an architecture takes for granted where config.json is silent, and how its router chooses.
struct DeepseekDefaults {
  int64_t dense_layers = 0;
  bool interleaved_rope = true;
  std::string_view scoring;  // the only scoring_func
  bool choice_bias = false;
  // All but `chosen`, from what config.json says; `experts` are there.
  Result<ops::RoutingOptions> (*routing)(const JsonObject& json, int64_t experts);
};

Result<ModelConfig> deepseek_blocks(const JsonObject& json, const DeepseekDefaults& defaults);

// n_group and topk_group, which must fit to each other and to `experts`.
Result<> expert_groups_from_json(const JsonObject& json, int64_t experts,
                                 ops::RoutingOptions& options);

// Both versions are "deepseek2" there; V3's experts are chosen by sigmoids.
GgufNaming deepseek_gguf(bool v3);

}  // namespace farthing
