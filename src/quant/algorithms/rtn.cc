// rtn: round to nearest. Scales by the format's rule from each group's own weights, codes to the
// nearest step.
#include "ops/linear/encode.h"
#include "quant/algorithm.h"

namespace farthing {
namespace {

AlgorithmReport quantize_rtn(Context& context, const LayerInput& input, QuantizedTensor& out) {
  return {.encode = ops::encode_weight(context, input.weight, input.rule, out)};
}

}  // namespace

AlgorithmInfo rtn_algorithm() {
  return {.name = "rtn",
          .summary = "round to nearest; scales by the format's rule from each group's own weights",
          .needs = AlgorithmNeeds::nothing,
          .quantize = quantize_rtn};
}

}  // namespace farthing
