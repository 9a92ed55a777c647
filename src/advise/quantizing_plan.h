// What quantizing a model into a directory takes: memory and disk.
#pragma once

#include "model/checkpoint.h"
#include "quant/quantize_options.h"

namespace farthing {

// Bytes.
struct QuantizingPlan {
  int64_t tokens = 0;   // of the calibration that stages read; 0: none does
  int64_t memory = 0;   // what tensors take at the highest moment
  int64_t process = 0;  // the program, and what its allocator keeps
  int64_t output = 0;   // of the directory: all tensors, and files that are copied
  int64_t work = 0;     // beside it while it is made

  int64_t peak() const { return memory + process; }
};

// Rehearses a stage of each kind (base/rehearsal.h), or one linear after the other where neither
// the method sees inputs nor anything else is calibrated. Fails as quantizing does.
Result<QuantizingPlan> plan_quantizing(int threads, Isa isa, Checkpoint& unrotated,
                                       const QuantizeOptions& wanted,
                                       const CalibrationOptions& calibration);

}  // namespace farthing
