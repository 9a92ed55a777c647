// A training run: from a recipe and a model to a checkpoint that serves the codes that were
// trained.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "train/data/data.h"
#include "train/metrics_log.h"

namespace farthing {

struct TrainOptions {
  std::filesystem::path run;  // holds metrics.jsonl, report.html, states and, at the end, "model"
  bool resume = false;        // go on from the youngest state, where there is one
  std::function<void(const TrainStep&)> on_step = [](const TrainStep&) {};
};

struct TrainResult {
  std::filesystem::path model, report;
  std::vector<TrainStep> steps;                        // those of this call
  double evaluation_before = 0, evaluation_after = 0;  // mean loss; 0 without a text
  std::unique_ptr<TrainedModel> trained;               // runs what was written
};

// Fails, and leaves the last good state as it is, on data without tokens, a state of another model
// or recipe, gradients or weights that are not finite, and a full disk. The same recipe, data and
// model give the same bytes, on any number of threads, undisturbed or resumed.
Result<TrainResult> train(Context& context, Checkpoint& from, const Recipe& recipe,
                          const TrainOptions& options, Progress& progress);

}  // namespace farthing
