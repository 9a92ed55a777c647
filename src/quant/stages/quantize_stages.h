// Quantizing with a method that sees what each linear gets as input: block by block, each block's
// linears in the order in which they run, the earlier ones already quantized ("true sequential").
#pragma once

#include <filesystem>

#include "quant/quantize.h"
#include "quant/stages/stage_inputs.h"
#include "quant/stages/work_folder.h"

namespace farthing {

// What a stage is told to report.
struct PassProgress {
  std::function<void()> next_pass;                     // before each pass over the text
  std::function<void(const std::string& what)> doing;  // between passes
  EachWindow window;                                   // within a pass
};

// A stage whose linears are quantized and run, and what is to be kept of it.
struct QuantizedStage {
  std::unique_ptr<ModelStage> stage;
  StageResult result;
};

// Of a block's stage, or the head's, with what stages before it give. `keep` (or null): gets the
// inputs of its last step where these are seen.
Result<QuantizedStage> quantize_stage(Context& context, const ModelConfig& config, int64_t index,
                                      WeightSource& from, const QuantizeOptions& options,
                                      const Windows& windows, const HiddenStates& hidden,
                                      const PassProgress& progress, LastStepInputs* keep = nullptr);
// Whether any linear of a step is to be quantized; `tables`: they are tables.
bool chooses_any(const QuantizeOptions& options, const LinearStep& step, bool tables);

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
