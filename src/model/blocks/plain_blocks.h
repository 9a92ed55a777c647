// The plan of blocks as GPT's: layer norms with biases, biased linears, and an MLP without a gate.
#pragma once

#include "model/blocks/sizes.h"

namespace farthing {

// Names in a block, behind its prefix.
struct PlainNames {
  std::string attention_norm, mlp_norm, output, up, down;
};

// A block without the inputs of its attention, which come in many orders.
BlockPlan plain_block(const DecoderSizes& sizes, const std::string& prefix, const PlainNames& names,
                      float epsilon, ActivationFunction function);

}  // namespace farthing
