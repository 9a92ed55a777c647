// Batch: the tokens of several sequences as one run of rows.
#pragma once

#include <span>

#include "model/model.h"

namespace farthing {

// In the workspace: what the operators of a forward pass are given.
struct Batch {
  std::span<const int32_t> tokens, positions;  // of each row
  std::span<const autograd::SequenceRows> sequences;
  std::span<const int32_t> logits_rows;

  Batch(Context& context, std::span<const SequenceTokens> batch);
};

}  // namespace farthing
