// imatrix: round to nearest under searched scales. Each group's scale makes the squared error small
// in which a column counts as much as its inputs are large on average, as llama.cpp's importance
// matrix has it.
#include "quant/algorithm.h"

namespace farthing {
namespace {

AlgorithmReport quantize_imatrix(Context& context, const LayerInput& input, QuantizedTensor& out) {
  const std::vector<float> importance = input.inputs->importance();
  AlgorithmReport report;
  if (input.format.search_tile == nullptr && !input.format.plain)
    report.fallback = "the format has no scale to search";
  report.encode = out.encode_searched(context.pool, input.weight.data, input.weight.stride,
                                      input.rule, importance.data());
  return report;
}

}  // namespace

AlgorithmInfo imatrix_algorithm() {
  return {.name = "imatrix",
          .summary = "round to nearest; scales searched, columns with large inputs count more",
          .needs = AlgorithmNeeds::moments,
          .quantize = quantize_imatrix};
}

}  // namespace farthing
