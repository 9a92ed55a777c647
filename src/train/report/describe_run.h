// What the page of a training run says about it before the first step.
#pragma once

#include "train/recipe/recipe.h"
#include "train/report/train_report.h"

namespace farthing {

// `settings`: lines "key = value" of what decides the result.
TrainReport describe_run(const Context& context, const Checkpoint& from, const Recipe& recipe,
                         const TrainedModel& model, const std::string& settings);

}  // namespace farthing
