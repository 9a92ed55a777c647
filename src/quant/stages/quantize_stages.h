// Quantizing with a method that sees what each linear gets as input: block by block, each block's
// linears in the order in which they run, the earlier ones already quantized ("true sequential").
#pragma once

#include <filesystem>

#include "quant/quantize.h"
#include "quant/stages/work_folder.h"

namespace farthing {

// Leaves every stage up to the last with a linear to quantize in `work`; `weights`: `from`, or an
// EarlierQuantization of it. In memory at a time: one block, the Gram matrices of one step, one
// window's activations. The same bytes for any number of threads, any instruction set, and however
// often it was interrupted.
Result<StagesRun> quantize_stages(Context& context, Checkpoint& from, WeightSource& weights,
                                  const QuantizeOptions& options,
                                  const CalibrationOptions& calibration,
                                  const std::filesystem::path& work, bool resume,
                                  Progress& progress);

}  // namespace farthing
