// The input of a linear as its activation format rounds it.
#pragma once

#include "formats/static_input.h"
#include "kernels/matmul/matmul.h"
#include "tensor/context.h"

namespace farthing::ops {

// Columns of x that are not rounded, and have codes 0.
struct OutlierRows {
  std::span<const int32_t> columns;  // ascending
  const float* values;               // [m, columns]
};

// The rows of x [m, k] in one activation format, in the workspace, in the shapes that kernels read:
// each made once, when it is first asked for.
struct RoundedRows {
  Int8Rows int8{};
  OutlierRows outliers{};         // beside int8: what its format left as it is
  View<const float, 2> floats{};  // x itself where it is not rounded

  // int8_blocks: of int8 activation formats only. floats: the values of any format; of int8 codes
  // f32(code) * scale, in one rounding; of outlier columns x itself. fixed_order. `rounding` must
  // live as long as the rows: they refer to its columns.
  void provide(Context& context, View<const float, 2> x, const InputRounding& rounding,
               ProductInput input);
};

}  // namespace farthing::ops
