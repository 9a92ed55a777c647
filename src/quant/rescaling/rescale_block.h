// The factors of all of a block's channels, from what its linears get as input.
#pragma once

#include "quant/rescaling/rescaled_source.h"
#include "quant/rescaling/rescaling_method.h"

namespace farthing {

// Of each of a block's linears that are not routers, by name; with Gram matrices where the method
// needs them.
using BlockInputs = std::map<std::string, const InputStatistics*>;

struct BlockRescaling {
  ChannelFactors factors;
  std::map<std::string, double> strengths;  // of the readers that were rescaled
};

// Channels none of whose readers is quantized are left alone.
Result<BlockRescaling> rescale_block(Context& context, const ModelConfig& config, int64_t stage,
                                     WeightSource& from, const QuantizeOptions& options,
                                     const BlockInputs& inputs);

}  // namespace farthing
