// Rows are encoded by the format, split over the threads.
#include "ops/linear/encode.h"

#include <mutex>

namespace farthing::ops {

EncodeReport encode_weight(Context& context, View<const float, 2> weight, ScaleRule rule,
                           QuantizedTensor& out) {
  CHECK(weight.rows == out.n && weight.columns == out.k);
  return out.encode(context.pool, weight.data, weight.stride, rule);
}

EncodeReport encode_weight_with_scales(Context& context, View<const float, 2> weight,
                                       ScaleRule rule, View<const float, 2> scales,
                                       QuantizedTensor& out) {
  CHECK(weight.rows == out.n && weight.columns == out.k);
  CHECK(out.format->encode_with_scales != nullptr && scales.rows == out.n &&
        scales.columns == out.format->grid->groups(out.k));
  EncodeReport report;
  std::mutex mutex;
  context.pool.run([&](Part part) {
    const auto rows = part.range(out.n, 16);
    if (rows.begin == rows.end) return;
    const EncodeReport mine = out.format->encode_with_scales(
        out, {rows.begin, rows.end, 0, out.k}, weight.row(rows.begin), weight.stride, rule,
        scales.row(rows.begin), scales.stride);
    const std::lock_guard lock(mutex);
    report += mine;  // whole numbers: the order does not matter
  });
  return report;
}

}  // namespace farthing::ops
