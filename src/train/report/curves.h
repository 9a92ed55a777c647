// What the curves of a training run show of its steps.
#pragma once

#include <span>
#include <vector>

#include "train/metrics_log.h"

namespace farthing {

// A point stands for steps that follow one another; `step` is the last of them.
struct CurvePoint {
  int64_t step;
  double loss, smoothed_loss, gradient_norm;  // means
  double learning_rate;                       // the last step's
  double tokens_per_second;                   // all tokens over all seconds
};

// Steps over which a loss is smoothed: a twentieth of the run, from 2 to 200.
int64_t smoothing_steps(int64_t steps);

// At most `most` points; each stands for as many steps, but the last. The smoothed loss of a step
// is the mean of the losses up to it with the weights (1 - 1 / smoothing_steps)^age.
std::vector<CurvePoint> curve_points(std::span<const TrainStep> steps, int64_t most);

}  // namespace farthing
