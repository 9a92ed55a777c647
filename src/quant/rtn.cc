// rtn: round to nearest. Scales by the format's rule from each group's own weights, codes to the
// nearest step.
#include <mutex>

#include "quant/algorithm.h"

namespace farthing {
namespace {

EncodeReport quantize_rtn(Context& context, const LayerInput& input, QuantizedTensor& out) {
  EncodeReport report;
  std::mutex mutex;
  context.pool.run([&](Part part) {
    const auto rows = part.range(out.n, 16);
    if (rows.begin == rows.end) return;
    const EncodeReport mine =
        input.format.encode_tile(out, {rows.begin, rows.end, 0, out.k},
                                 input.weight.row(rows.begin), input.weight.stride, input.rule);
    const std::lock_guard lock(mutex);
    report += mine;  // whole numbers: the order does not matter
  });
  return report;
}

}  // namespace

AlgorithmInfo rtn_algorithm() {
  return {.name = "rtn",
          .summary = "round to nearest; scales by the format's rule from each group's own weights",
          .needs = "nothing",
          .quantize = quantize_rtn};
}

}  // namespace farthing
