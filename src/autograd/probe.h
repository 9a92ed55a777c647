// Probe: sees what each operator of a forward pass computed, in the order in which they run.
#pragma once

#include <string_view>

#include "tensor/context.h"

namespace farthing {

enum class OperatorKind {
  embedding,
  rms_norm,
  linear,
  rope,
  attention,
  add,
  swiglu,
  select_rows,
  layer_norm,
  bias,
  activation,
  multiply,
  scale,
  softcap,
  route,
  experts,
};

constexpr std::string_view operator_name(OperatorKind kind) {
  constexpr std::string_view names[] = {"embedding",  "rms_norm", "linear",     "rope",
                                        "attention",  "add",      "swiglu",     "select_rows",
                                        "layer_norm", "bias",     "activation", "multiply",
                                        "scale",      "softcap",  "route",      "experts"};
  return names[static_cast<size_t>(kind)];
}

struct OperatorOutput {
  OperatorKind kind;
  const void* weight;  // the TableWeight, VectorWeight or LinearWeight (Model::weights()), or null
  View<const float, 2> rows;  // of the batch; the next operator may overwrite them
  View<const float, 2> input = {nullptr, 0, 0, 0};  // of a linear: before it is rounded
};

// Called while context.probe is set, by training's recording pass and by serving alike, but not by
// the backward pass. It must not change what it sees.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void see(const OperatorOutput& output) = 0;
};

}  // namespace farthing
