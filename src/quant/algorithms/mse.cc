// mse: round to nearest under searched scales. Each group's scale makes the squared error of its
// weights small; it needs no calibration.
#include "quant/algorithm.h"

namespace farthing {
namespace {

AlgorithmReport quantize_mse(Context& context, const LayerInput& input, QuantizedTensor& out) {
  const std::vector<float> alike(static_cast<size_t>(out.k), 1.0f);
  AlgorithmReport report;
  if (input.format.search_tile == nullptr && !input.format.plain)
    report.fallback = "the format has no scale to search";
  report.encode = out.encode_searched(context.pool, input.weight.data, input.weight.stride,
                                      input.rule, alike.data());
  return report;
}

}  // namespace

AlgorithmInfo mse_algorithm() {
  return {.name = "mse",
          .summary = "round to nearest; scales searched for the least squared error of the weights",
          .needs = AlgorithmNeeds::nothing,
          .quantize = quantize_mse};
}

}  // namespace farthing
