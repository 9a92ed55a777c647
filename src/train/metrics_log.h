// The record of a training run: a line of JSON for each step, in RUN/metrics.jsonl.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/result.h"

namespace farthing {

// One step, as progress and metrics see it.
struct TrainStep {
  int64_t step;
  double loss;  // mean over the counted tokens
  double gradient_norm, learning_rate;
  int64_t tokens;
  double seconds;
  std::optional<double> evaluation_loss = {};
};

class MetricsLog {
 public:
  // Goes on behind the first `steps` steps of what the file holds; later lines, and one that was
  // cut short, are dropped. 0 steps: an empty file.
  static Result<MetricsLog> open(const std::filesystem::path& run, int64_t steps);
  Result<> append(const TrainStep& step);
  // The held-out loss of the model that the run began with; the file's first line, as step 0.
  Result<> begin(double evaluation_loss);
  std::optional<double> first_evaluation() const { return first_evaluation_; }
  // Of this run and of those that it goes on from.
  const std::vector<TrainStep>& steps() const { return steps_; }

 private:
  std::filesystem::path file_;
  std::optional<double> first_evaluation_;
  std::vector<TrainStep> steps_;
};

}  // namespace farthing
