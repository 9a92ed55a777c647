// Levels: what a weight's code may stand for before its group's scale, for quantizers that choose
// codes one by one under scales that stay.
#pragma once

#include <vector>

#include "formats/format.h"

namespace farthing {

struct CodeLevel {
  float value;   // scale * (value - zero) + offset is the weight
  uint8_t code;  // as Format::put_codes takes it
};

// Ascending, each value once; empty where a weight has no code of its own (Format::put_codes).
std::vector<CodeLevel> levels_of(const Format& format, ScaleRule rule);

// Of the group that weight [n, k] lies in; what the format has not is 0.
struct GroupParameters {
  float scale, zero, offset;
};
GroupParameters group_parameters_at(const QuantizedTensor& q, int64_t n, int64_t k);

// Weights along k that share scale, zero and offset; the whole row where all do. Flattened blocks
// that cross rows count from each row's begin: the greatest length whose multiples are boundaries.
int64_t group_length(const QuantizedTensor& q);

}  // namespace farthing
