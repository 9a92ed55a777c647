// The directory that quantizing a model would write, as an outline: what serving it takes.
#pragma once

#include <memory>

#include "model/checkpoint.h"
#include "quant/quantize_options.h"

namespace farthing {

// Tensors are zeros that are mapped like a file and take no memory. `from` must outlive it. Fails
// where a rotation does not pass the model, or a rule fits no linear.
Result<std::unique_ptr<Checkpoint>> open_written_outline(Checkpoint& from,
                                                         const QuantizeOptions& options);

}  // namespace farthing
