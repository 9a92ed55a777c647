// mse: round to nearest under searched scales. Each group's scale makes the squared error of its
// weights small; it needs no calibration.
#include "quant/algorithms/searched.h"

namespace farthing {
namespace {

AlgorithmReport quantize_mse(Context& context, const LayerInput& input, QuantizedTensor& out) {
  const std::vector<float> alike(static_cast<size_t>(out.k), 1.0f);
  return round_searched(context, input, alike, out);
}

}  // namespace

AlgorithmInfo mse_algorithm() {
  return {.name = "mse",
          .summary = "round to nearest; scales searched for the least squared error of the weights",
          .needs = AlgorithmNeeds::nothing,
          .quantize = quantize_mse};
}

}  // namespace farthing
