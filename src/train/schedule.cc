// Warm-up, then constant, cosine or constant-and-linear; without libm.
#include "train/schedule.h"

#include <algorithm>

#include "kernels/scalar_math.h"

namespace farthing {

double Schedule::at(int64_t step) const {
  if (step < warmup_steps)
    return learning_rate * static_cast<double>(step) / static_cast<double>(warmup_steps);
  const double lowest = learning_rate * final_ratio;
  const auto progress = [&](int64_t begin) {
    const auto whole = static_cast<double>(std::max<int64_t>(steps - begin, 1));
    return std::clamp(static_cast<double>(step - begin) / whole, 0.0, 1.0);
  };
  switch (kind) {
    case Kind::constant:
      return learning_rate;
    case Kind::cosine: {
      constexpr double pi = 3.14159265358979323846;
      const double wave = 0.5 * (1.0 + fixed_sin_cos(pi * progress(warmup_steps)).cos);
      return lowest + (learning_rate - lowest) * wave;
    }
    case Kind::wsd: {
      const auto decay = static_cast<int64_t>(decay_fraction * static_cast<double>(steps));
      return learning_rate + (lowest - learning_rate) * progress(steps - decay);
    }
  }
  return learning_rate;
}

}  // namespace farthing
