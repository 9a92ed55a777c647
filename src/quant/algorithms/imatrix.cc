// imatrix: round to nearest under searched scales. Each group's scale makes the squared error small
// in which a column counts as much as its inputs are large on average, as llama.cpp's importance
// matrix has it.
#include "quant/algorithms/searched.h"

namespace farthing {
namespace {

AlgorithmReport quantize_imatrix(Context& context, const LayerInput& input, QuantizedTensor& out) {
  return round_searched(context, input, input.inputs->importance(), out);
}

}  // namespace

AlgorithmInfo imatrix_algorithm() {
  return {.name = "imatrix",
          .summary = "round to nearest; scales searched, columns with large inputs count more",
          .needs = AlgorithmNeeds::moments,
          .quantize = quantize_imatrix};
}

}  // namespace farthing
