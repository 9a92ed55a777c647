// Running a stage over the calibration's tokens, to see what its linears get.
#pragma once

#include <vector>

#include "eval/calibration/hidden_states.h"
#include "model/stages/steps.h"
#include "quant/input_statistics.h"
#include "quant/stages/last_step.h"

namespace farthing {

// How much an error in each token's value counts in what a block's attention gives for the rows:
// the squares of the weights with which later tokens read it, added over tokens, averaged over kv
// heads (an estimate from as many samples as values have elements). A token that all others read,
// an attention sink, counts as much as hundreds of others. Empty where there is no such attention.
std::vector<float> reading_weights(Context& context, ModelStage& stage, const StageRows& rows);

// Where a pass that sees inputs ends: before the step's linears run, or behind the whole block.
enum class PassEnd { step, block };

// What to gather of inputs beside sums over columns.
struct SeeOptions {
  bool gram = false, histogram = false;
  PassEnd end = PassEnd::step;
  LastStepInputs* keep = nullptr;  // of a step that is the stage's last: also keeps them there
};

// The inputs of a step's groups, over all windows; those of values with their reading_weights;
// those of an expert that fewer tokens reach than its input has elements over every token, in a
// second pass. Earlier steps' linears run as they are now. Fails, and names the linear, where an
// input is not finite.
Result<std::vector<InputStatistics>> see_inputs(Context& context, ModelStage& stage,
                                                const LinearStep& step, SeeOptions what,
                                                const Windows& windows, const HiddenStates& from,
                                                int64_t hidden, const EachWindow& each);

}  // namespace farthing
