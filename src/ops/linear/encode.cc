// Rows are encoded by the format, split over the threads.
#include "ops/linear/encode.h"

#include <mutex>

namespace farthing::ops {

namespace {

// Calls encode(first row, end) on the pool; returns the sum of the reports.
template <class Encode>
EncodeReport encode_rows(Context& context, int64_t n, const Encode& encode) {
  EncodeReport report;
  std::mutex mutex;
  context.pool.run([&](Part part) {
    const auto rows = part.range(n, 16);
    if (rows.begin == rows.end) return;
    const EncodeReport mine = encode(rows.begin, rows.end);
    const std::lock_guard lock(mutex);
    report += mine;  // whole numbers: the order does not matter
  });
  return report;
}

}  // namespace

EncodeReport encode_weight(Context& context, View<const float, 2> weight, ScaleRule rule,
                           QuantizedTensor& out) {
  CHECK(weight.rows == out.n && weight.columns == out.k);
  return encode_rows(context, out.n, [&](int64_t begin, int64_t end) {
    return out.format->encode_tile(out, {begin, end, 0, out.k}, weight.row(begin), weight.stride,
                                   rule);
  });
}

EncodeReport encode_weight_with_scales(Context& context, View<const float, 2> weight,
                                       ScaleRule rule, View<const float, 2> scales,
                                       QuantizedTensor& out) {
  CHECK(weight.rows == out.n && weight.columns == out.k);
  CHECK(out.format->encode_with_scales != nullptr && scales.rows == out.n &&
        scales.columns == out.format->grid->groups(out.k));
  return encode_rows(context, out.n, [&](int64_t begin, int64_t end) {
    return out.format->encode_with_scales(out, {begin, end, 0, out.k}, weight.row(begin),
                                          weight.stride, rule, scales.row(begin), scales.stride);
  });
}

}  // namespace farthing::ops
