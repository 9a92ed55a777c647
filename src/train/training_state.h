// What a training run needs to go on after it was stopped: masters, moments, and the step.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "train/optimizer.h"
#include "train/trained_model.h"

namespace farthing {

// Writes RUN/step-00000123: state.safetensors (f32: "NAME", "NAME.first", "NAME.second") and
// state.json, written last. The folder is complete or absent. Then removes all but the `keep`
// youngest of the run's.
Result<> save_training_state(const std::filesystem::path& run, const TrainedModel& model,
                             Optimizer& optimizer, const std::string& recipe, int64_t keep);

// The youngest complete state of a run, if there is one.
std::optional<std::filesystem::path> latest_training_state(const std::filesystem::path& run);

// Takes up a state; afterwards optimizer.steps() is its step. The model must be encoded again.
// Fails, and changes nothing, on a state of another model or another recipe.
Result<> load_training_state(const std::filesystem::path& state, TrainedModel& model,
                             Optimizer& optimizer, const std::string& recipe);

}  // namespace farthing
