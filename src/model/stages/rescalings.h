// Channels inside a block that can be rescaled without changing what the block computes: what reads
// them multiplies its columns, what gives them divides.
#pragma once

#include "model/model.h"

namespace farthing {

struct Rescaling {
  std::vector<LinearSpec> readers;    // all that read the channels, routers too
  std::vector<int64_t> channel = {};  // [k]: of each of their columns
  // A linear gives channel c as its output rows[c]; or a norm, by its gain (and bias), as element
  // c.
  std::optional<LinearSpec> giver = {};
  std::vector<int64_t> rows = {};  // [channels]
  std::vector<VectorSpec> vectors =
      {};                 // that divide with it: a norm's gain and bias, a linear's bias
  bool one_plus = false;  // the norm's gain is 1 + what is stored

  int64_t channels() const { return static_cast<int64_t>(rows.size()); }
};

// Behind norms; from values to attention's output, query heads of one group sharing the factors;
// from a gated MLP's `up` to `down`. Nothing of what an activation function, a clamp or
// a Hadamard matrix lies between.
std::vector<Rescaling> rescalings_of_stage(const ModelConfig& config, int64_t stage);

}  // namespace farthing
