// The learning rate as a function of the step alone.
#pragma once

#include <cstdint>

namespace farthing {

struct Schedule {
  enum class Kind { constant, cosine, wsd };
  Kind kind = Kind::cosine;
  double learning_rate = 1e-3;  // the highest
  int64_t steps = 1000, warmup_steps = 0;
  double final_ratio = 0.1;     // of the highest, at the end (cosine, wsd)
  double decay_fraction = 0.2;  // wsd: the share of the steps in which it falls

  // Of step 1 .. steps. Warm-up rises linearly and reaches the highest at step warmup_steps.
  // cosine: half a wave from there to the last step. wsd (warm-up, stable, decay): constant, then
  // linear.
  double at(int64_t step) const;
};

}  // namespace farthing
