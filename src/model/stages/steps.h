// The linears of a stage in the order in which it runs them.
#pragma once

#include "model/model.h"

namespace farthing {

// Linears that share an input.
struct LinearGroup {
  std::vector<LinearSpec> linears;
  bool values = false;  // they give an attention's values alone
};
// Groups whose inputs depend on earlier steps' linears, but not on one another's.
using LinearStep = std::vector<LinearGroup>;
// The linears of a block's stage in the order in which it runs them; routers, which keep their
// precision, are left out. Of the embedding there are none, of the head itself.
std::vector<LinearStep> steps_of_stage(const ModelConfig& config, int64_t stage);

}  // namespace farthing
