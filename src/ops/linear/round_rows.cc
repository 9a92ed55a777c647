// Rows are rounded one by one; where they share a scale, all are measured first.
#include "ops/linear/round_rows.h"

#include "kernels/quantize_rows/quantize_rows.h"
#include "ops/rows.h"

namespace farthing::ops {
namespace {

// A maximum is the same whichever thread looks at which rows.
Magnitude magnitude_of(Context& context, View<const float, 2> x, MeasureRow measure) {
  Magnitude* of_rows = context.workspace.take<Magnitude>(x.rows);
  for_each_row(context, x.rows, x.columns,
               [&](int64_t t) { of_rows[t] = measure(x.row(t), x.columns); });
  Magnitude out;
  for (int64_t t = 0; t < x.rows; ++t) out |= of_rows[t];
  return out;
}

}  // namespace

Int8Rows round_rows(Context& context, View<const float, 2> x, Activations activations) {
  const int64_t blocks = blocks_of_32(x.columns);
  int8_t* codes = context.workspace.take<int8_t>(x.rows * blocks * 32);
  float* scales = context.workspace.take<float>(x.rows * blocks);
  int32_t* sums = context.workspace.take<int32_t>(x.rows * blocks);
  const QuantizeRowsKernel& kernel = choose_quantize_rows_kernel(context.isa);
  const QuantizeRow round = kernel->of(activations);
  const Magnitude call =
      batch_invariant(activations) ? Magnitude{} : magnitude_of(context, x, kernel->measure);
  for_each_row(context, x.rows, x.columns, [&](int64_t t) {
    round(x.row(t), x.columns, call, codes + t * blocks * 32, scales + t * blocks,
          sums + t * blocks);
  });
  return {codes, blocks * 32, scales, sums};
}

}  // namespace farthing::ops
