// The pipeline of a recipe: train in a number format, export, serve the export, and compare the
// trainer with the engine.
#pragma once

#include <string>
#include <vector>

#include "train/train.h"
#include "workflows/align/pairs.h"

namespace farthing {

struct ServedText {
  std::string prompt, text;
  int64_t tokens = 0;
};

struct PipelineResult {
  TrainResult trained;
  std::vector<ServedText> served;     // in the order of the recipe's prompts
  std::vector<Alignment> alignments;  // trainer against engine, by each way to run the engine

  // Whether no bit differs between trainer and engine.
  bool aligned() const;
  double largest_difference() const;  // |d log p|, nats; NaN where one is none
};

// train(), and what the recipe's stages [serve] and [align] ask for; they run the directory that
// training wrote, in the recipe's KV codec. serve: the engine, all prompts at once, always the most
// probable token. align: the recording forward pass of the trained model that is still in memory
// against the engine, on the held-out text, or on the built-in one. What the stages need is checked
// before training starts.
Result<PipelineResult> run_pipeline(Context& context, Checkpoint& from, const Recipe& recipe,
                                    const TrainOptions& options, Progress& progress);

}  // namespace farthing
