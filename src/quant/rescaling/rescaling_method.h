// A rescaling method: what it needs, and the function that chooses the factors of some channels
// before the weights around them are quantized. What may be rescaled says
// model/stages/rescalings.h; it never changes what the unquantized model computes.
#pragma once

#include "model/stages/rescalings.h"
#include "quant/quantize_options.h"

namespace farthing {

// A linear that reads the channels.
struct RescalingReader {
  const LinearSpec& spec;
  Tensor weight;                         // f32 [n, k], not rescaled
  const InputStatistics* inputs;         // null: of a router
  std::optional<LinearChoice> choice{};  // nothing: it is not quantized
};

struct RescalingInput {
  const Rescaling& channels;
  std::vector<RescalingReader> readers;
  const QuantizeOptions& options;
};

struct RescalingFactors {
  std::vector<float> of_channels = {};  // readers' columns are multiplied; empty: nothing is
  double strength = 0;                  // the exponent that was chosen
};

struct RescalingInfo {
  std::string_view name;     // "awq"
  std::string_view summary;  // one sentence
  AlgorithmNeeds needs;
  std::string_view algorithm;  // rounds the weights where no other is named
  RescalingFactors (*factors)(Context&, const RescalingInput&);
  bool for_activations = false;  // helps only where these are rounded
};

std::span<const RescalingInfo> all_rescalings();
const RescalingInfo* find_rescaling(std::string_view name);

}  // namespace farthing
