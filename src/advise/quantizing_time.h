// How long quantizing takes: work by its kinds, each kind's pace measured for a moment.
#pragma once

#include "model/checkpoint.h"
#include "quant/quantize_options.h"

namespace farthing {

// An estimate for a plan's tokens of calibration (quantizing_plan.h). Measures for about a second.
Result<double> quantizing_seconds(int threads, Isa isa, Checkpoint& from,
                                  const QuantizeOptions& options, int64_t tokens);

}  // namespace farthing
