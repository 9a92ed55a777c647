// One call of the format, and what to report.
#include "quant/algorithms/searched.h"

namespace farthing {

AlgorithmReport round_searched(Context& context, const LayerInput& input,
                               std::span<const float> importance, QuantizedTensor& out) {
  AlgorithmReport report;
  if (input.format.search_tile == nullptr && !input.format.plain)
    report.fallback = "the format has no scale to search";
  report.encode = out.encode_searched(context.pool, input.weight.data, input.weight.stride,
                                      input.rule, importance.data());
  return report;
}

}  // namespace farthing
