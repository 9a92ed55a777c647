// A model's linears by kind, as listings show them.
#pragma once

#include <string>
#include <vector>

#include "model/model.h"

namespace farthing {

// Linears of the same kind, size, scheme and kernel.
struct LayerGroup {
  LinearInfo first;
  // "mlp.experts.*.down_proj" of "model.layers.3.mlp.experts.7.down_proj.weight"
  std::string kind;
  int64_t count = 0;
  int64_t bytes = 0;         // that products read
  int64_t stored_bytes = 0;  // in a file
};
std::vector<LayerGroup> groups_of(const std::vector<LinearInfo>& linears);

// Bytes of a matrix as a format stores it.
int64_t stored_bytes(const Format& format, int64_t n, int64_t k);

// "int4_g32@f32"
std::string full_name(const Scheme& scheme);

}  // namespace farthing
