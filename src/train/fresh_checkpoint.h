// A model with random weights, seen as a checkpoint: what pretraining begins with.
#pragma once

#include <memory>

#include "train/recipe/recipe.h"

namespace farthing {

// Tokenizer and architecture of `from`, sizes of `sizes`. Matrices are normal with deviation 0.02,
// those that write to the residual stream 0.02 / sqrt(2 layers) (GPT-2's); gains are 1. A function
// of the seed and each tensor's name alone.
Result<std::unique_ptr<Checkpoint>> fresh_checkpoint(const Checkpoint& from,
                                                     const FreshModel& sizes, uint64_t seed);

}  // namespace farthing
