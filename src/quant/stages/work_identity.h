// What unfinished work belongs to.
#pragma once

#include <string>

#include "model/checkpoint.h"
#include "quant/quantize_options.h"

namespace farthing {

// The same text for the same model, options and calibration alone. `options`: before anything was
// calibrated.
std::string work_identity(const Checkpoint& from, const QuantizeOptions& options,
                          const CalibrationWindows& read);

}  // namespace farthing
