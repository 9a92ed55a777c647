// Rows are rounded one by one; where they share a scale, all are measured first.
#include "ops/linear/round_rows.h"

#include <algorithm>

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

// The columns in which the magnitude of any row reaches the threshold.
std::span<const int32_t> outliers_of_call(Context& context, View<const float, 2> x,
                                          float threshold) {
  int32_t* columns = context.workspace.take<int32_t>(x.columns);
  if (!(threshold > 0)) return {};
  context.pool.run([&](Part part) {
    const auto range = part.range(x.columns, 64);
    std::fill(columns + range.begin, columns + range.end, 0);
    for (int64_t t = 0; t < x.rows; ++t)
      for (int64_t i = range.begin; i < range.end; ++i)
        columns[i] |= __builtin_fabsf(x.row(t)[i]) >= threshold ? 1 : 0;
  });
  int64_t count = 0;
  for (int64_t i = 0; i < x.columns; ++i)
    if (columns[i] != 0) columns[count++] = static_cast<int32_t>(i);
  return {columns, static_cast<size_t>(count)};
}

OutlierRows outliers_of(Context& context, View<const float, 2> x, const InputRounding& rounding) {
  const std::span<const int32_t> columns =
      is_static(rounding.activations)
          ? rounding.parameters.outliers.list()
          : outliers_of_call(context, x, rounding.parameters.outlier_threshold);
  const auto count = static_cast<int64_t>(columns.size());
  float* values = context.workspace.take<float>(x.rows * count);
  for (int64_t t = 0; t < x.rows; ++t)
    for (size_t c = 0; c < columns.size(); ++c)
      values[t * count + static_cast<int64_t>(c)] = x.row(t)[columns[c]];
  return {columns, values};
}

Int8Rows codes_of(Context& context, View<const float, 2> x, const InputRounding& rounding,
                  const OutlierRows& outliers) {
  const int64_t blocks = blocks_of_32(x.columns);
  int8_t* codes = context.workspace.take<int8_t>(x.rows * blocks * 32);
  float* scales = context.workspace.take<float>(x.rows * blocks);
  int32_t* sums = context.workspace.take<int32_t>(x.rows * blocks);
  const QuantizeRowsKernel& kernel = choose_quantize_rows_kernel(context.isa);
  const QuantizeRow round = kernel->of(rounding.activations);
  SharedByRows shared{.call = {}, .input = rounding.parameters, .outliers = nullptr};
  if (rounding.activations == Activations::int8_tensor)
    shared.call = magnitude_of(context, x, kernel->measure);
  if (!outliers.columns.empty()) {
    float* marks = context.workspace.take<float>(blocks * 32);
    std::fill_n(marks, blocks * 32, 0.0f);
    for (const int32_t column : outliers.columns) marks[column] = 1.0f;
    shared.outliers = marks;
  }
  for_each_row(context, x.rows, x.columns, [&](int64_t t) {
    round(x.row(t), x.columns, shared, codes + t * blocks * 32, scales + t * blocks,
          sums + t * blocks);
  });
  return {codes, blocks * 32, scales, sums};
}

// The codes' values, and what was not rounded.
View<const float, 2> decoded(Context& context, const Int8Rows& rows, const OutlierRows& outliers,
                             int64_t m, int64_t k) {
  const auto out = context.workspace.take_rows<float>(m, k);
  for_each_row(context, m, k, [&](int64_t t) {
    const int8_t* codes = rows.codes + t * rows.stride;
    const float* scales = rows.scales + t * rows.blocks();
    for (int64_t i = 0; i < k; ++i) out.row(t)[i] = static_cast<float>(codes[i]) * scales[i / 32];
    const size_t count = outliers.columns.size();
    for (size_t c = 0; c < count; ++c)
      out.row(t)[outliers.columns[c]] = outliers.values[static_cast<size_t>(t) * count + c];
  });
  return out;
}

}  // namespace

void RoundedRows::provide(Context& context, View<const float, 2> x, const InputRounding& rounding,
                          ProductInput input) {
  const bool codes = activation_codes(rounding.activations) == ActivationCodes::int8;
  if (codes && int8.codes == nullptr) {
    if (has_outliers(rounding.activations)) outliers = outliers_of(context, x, rounding);
    int8 = codes_of(context, x, rounding, outliers);
  }
  if (input == ProductInput::int8_blocks) {
    CHECK(codes);
    return;
  }
  if (floats.data != nullptr) return;
  if (codes) {
    floats = decoded(context, int8, outliers, x.rows, x.columns);
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
