// The rows that GGUF files hold in another order than Hugging Face's directories.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "model/model.h"

namespace farthing {

// Where a file holds a row of ours; empty: at its own place.
using GgufRowOrder = std::function<int64_t(int64_t)>;

// Of the weight or bias `name`.
GgufRowOrder gguf_row_order(const GgufNaming& naming, const ModelConfig& config,
                            const std::string& name);

}  // namespace farthing
