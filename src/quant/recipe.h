// Recipes: what to quantize to and how, as a TOML file (docs/quantization.md).
#pragma once

#include <filesystem>

#include "quant/quantize_options.h"

namespace farthing {

struct QuantizeRecipe {
  QuantizeOptions options;  // scheme.weights and method are null where the file does not say
  CalibrationOptions calibration{.samples = 0};  // 0: as many as the method wants
};

// Fails, naming file, line and key, on what is no recipe. Paths are relative to the file.
Result<QuantizeRecipe> read_quantize_recipe(const std::filesystem::path& file);

}  // namespace farthing
