// Rows are rounded one by one; where they share a scale, all are measured first.
#include "ops/linear/round_rows.h"

#include "base/check.h"
#include "kernels/quantize_rows/float_rows.h"
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

Int8Rows codes_of(Context& context, View<const float, 2> x, const InputRounding& rounding) {
  const int64_t blocks = blocks_of_32(x.columns);
  int8_t* codes = context.workspace.take<int8_t>(x.rows * blocks * 32);
  float* scales = context.workspace.take<float>(x.rows * blocks);
  int32_t* sums = context.workspace.take<int32_t>(x.rows * blocks);
  const QuantizeRowsKernel& kernel = choose_quantize_rows_kernel(context.isa);
  const QuantizeRow round = kernel->of(rounding.activations);
  SharedByRows shared{.call = {}, .input = rounding.parameters};
  if (!batch_invariant(rounding.activations))
    shared.call = magnitude_of(context, x, kernel->measure);
  for_each_row(context, x.rows, x.columns, [&](int64_t t) {
    round(x.row(t), x.columns, shared, codes + t * blocks * 32, scales + t * blocks,
          sums + t * blocks);
  });
  return {codes, blocks * 32, scales, sums};
}

// The codes' values.
View<const float, 2> decoded(Context& context, const Int8Rows& rows, int64_t m, int64_t k) {
  const auto out = context.workspace.take_rows<float>(m, k);
  for_each_row(context, m, k, [&](int64_t t) {
    const int8_t* codes = rows.codes + t * rows.stride;
    const float* scales = rows.scales + t * rows.blocks();
    for (int64_t i = 0; i < k; ++i) out.row(t)[i] = static_cast<float>(codes[i]) * scales[i / 32];
  });
  return out;
}

}  // namespace

void RoundedRows::provide(Context& context, View<const float, 2> x, const InputRounding& rounding,
                          ProductInput input) {
  const bool codes = activation_codes(rounding.activations) == ActivationCodes::int8;
  if (codes && int8.codes == nullptr) int8 = codes_of(context, x, rounding);
  if (input == ProductInput::int8_blocks) {
    CHECK(codes);
    return;
  }
  if (floats.data != nullptr) return;
  if (codes) {
    floats = decoded(context, int8, x.rows, x.columns);
  } else if (const RoundFloatRow round = float_row_rounding(rounding.activations)) {
    const auto out = context.workspace.take_rows<float>(x.rows, x.columns);
    for_each_row(context, x.rows, x.columns,
                 [&](int64_t t) { round(x.row(t), x.columns, rounding.parameters, out.row(t)); });
    floats = out;
  } else {
    floats = x;
  }
}

}  // namespace farthing::ops
