// The algorithms of ModelOpt that are read and written, and the schemes that they are.
#pragma once

#include <string_view>

#include "formats/activations.h"

namespace farthing {

struct ModelOptAlgorithm {
  std::string_view name, weights;
  Activations activations;
};

inline constexpr ModelOptAlgorithm modelopt_algorithms[] = {
    {"FP8", "fp8_e4m3_tensor", Activations::fp8_e4m3_static},
    {"FP8_PER_CHANNEL_PER_TOKEN", "fp8_e4m3_row", Activations::fp8_e4m3_token},
    {"FP8_PB_WO", "fp8_e4m3_block128", Activations::f32},
    {"NVFP4", "nvfp4", Activations::nvfp4},
    {"W4A16_NVFP4", "nvfp4", Activations::f32},
    {"MXFP8", "mxfp8", Activations::mxfp8},
};

// kv_cache_scheme of the KV cache that hf_quant_config.json calls FP8.
inline constexpr std::string_view modelopt_fp8_kv_cache =
    R"({"dynamic": false, "num_bits": 8, "type": "float"})";

}  // namespace farthing
