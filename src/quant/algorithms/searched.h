// Rounding to nearest under searched scales: what mse and imatrix are, and what gptq falls back to.
#pragma once

#include <span>

#include "quant/algorithm.h"

namespace farthing {

// `importance` [k]: how much an error in each column counts. Where the format has no scale to
// search it rounds by its rule, and the report says so.
AlgorithmReport round_searched(Context& context, const LayerInput& input,
                               std::span<const float> importance, QuantizedTensor& out);

}  // namespace farthing
