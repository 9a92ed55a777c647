// Comparing a model's logits with those that data/make_golden.py wrote.
#pragma once

#include <cmath>
#include <filesystem>

#include "io/safetensors/safetensors.h"
#include "model/support/models.h"

namespace farthing::testing {

// The largest difference of the model's logits from the file's, relative to the largest logit; NaN
// where one of ours is.
inline double difference_from(Context& context, const Model& model,
                              const std::filesystem::path& golden) {
  const auto file = SafetensorsFile::open(golden).value();
  const Tensor tokens = file.tensor("tokens").value(), logits = file.tensor("logits").value();
  const auto count = static_cast<size_t>(tokens.shape()[0]);
  EXPECT_EQ(logits.shape()[1], model.config().vocabulary_size);
  const auto ours = logits_of(context, model, {tokens.as<int32_t>(), count}, count);
  double largest = 0, difference = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const double theirs = logits.as<float>()[i];
    largest = std::max(largest, std::fabs(theirs));
    if (!(std::fabs(ours[i] - theirs) <= difference)) difference = std::fabs(ours[i] - theirs);
  }
  return difference / largest;
}

}  // namespace farthing::testing
