// Decoder: the model that a DecoderPlan describes, for every architecture.
#pragma once

#include <memory>

#include "model/decoder/weight_visitor.h"
#include "model/model.h"

namespace farthing {

// Every tensor that the plan names.
TensorSpecs tensors_of_plan(const ModelConfig& config);

Result<std::unique_ptr<Model>> build_decoder(Context& context, ModelConfig config,
                                             WeightSource& source, Progress& progress,
                                             PackTime time);

}  // namespace farthing
