// Rotation: by which orthogonal matrices a model's activations are turned before they are rounded
// (QuaRot, arXiv 2404.00456; SpinQuant's names, arXiv 2405.16406).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace farthing {

struct ModelConfig;

struct Rotation {
  bool r1 = false;   // the stream between blocks; in the weights
  bool r2 = false;   // each head's values; in the weights
  bool r3 = false;   // each head's queries and keys, behind their positions; while the model runs
  bool r4 = false;   // what an MLP's down projection reads; while the model runs
  int64_t seed = 0;  // of the random signs of R1 and R2

  bool any() const { return r1 || r2 || r3 || r4; }
  // "r1,r2,r3,r4"; empty: none.
  std::string name() const;
  bool operator==(const Rotation&) const = default;
};

// Names joined by commas.
Result<Rotation> parse_rotation(const std::string& names);

// Makes the plan that of the rotated model: what runs R3 and R4, and a note of all. Fails, and
// names the part, where a size has no Hadamard matrix, or R1 cannot pass a norm. `where`: the
// model, for errors.
Result<> rotate_plan(ModelConfig& config, const Rotation& rotation, const std::string& where);

}  // namespace farthing
