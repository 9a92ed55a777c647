// Smoothing, and thinning.
#include "train/report/curves.h"

#include <algorithm>

#include "base/check.h"

namespace farthing {

int64_t smoothing_steps(int64_t steps) { return std::clamp<int64_t>(steps / 20, 2, 200); }

std::vector<CurvePoint> curve_points(std::span<const TrainStep> steps, int64_t most) {
  CHECK(most >= 1);
  const auto count = static_cast<int64_t>(steps.size());
  const int64_t group = std::max<int64_t>((count + most - 1) / most, 1);
  const double keep = 1 - 1 / static_cast<double>(smoothing_steps(count));
  std::vector<CurvePoint> out;
  double losses = 0, weights = 0;  // of all steps so far, the older the less
  for (int64_t begin = 0; begin < count; begin += group) {
    const auto part = steps.subspan(static_cast<size_t>(begin),
                                    static_cast<size_t>(std::min(group, count - begin)));
    CurvePoint point{.step = part.back().step,
                     .loss = 0,
                     .smoothed_loss = 0,
                     .gradient_norm = 0,
                     .learning_rate = part.back().learning_rate,
                     .tokens_per_second = 0};
    double tokens = 0, seconds = 0;
    const double share = 1 / static_cast<double>(part.size());
    for (const TrainStep& s : part) {
      losses = keep * losses + s.loss;
      weights = keep * weights + 1;
      point.loss += share * s.loss;
      point.smoothed_loss += share * losses / weights;
      point.gradient_norm += share * s.gradient_norm;
      tokens += static_cast<double>(s.tokens);
      seconds += s.seconds;
    }
    if (seconds > 0) point.tokens_per_second = tokens / seconds;
    out.push_back(point);
  }
  return out;
}

}  // namespace farthing
