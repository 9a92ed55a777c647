// The input of a linear as its activation format rounds it.
#pragma once

#include "formats/static_input.h"
#include "kernels/matmul/matmul.h"
#include "tensor/context.h"

namespace farthing::ops {

// The rows of x [m, k] in one activation format, in the workspace, in the shapes that kernels read:
// each made once, when it is first asked for.
struct RoundedRows {
  Int8Rows int8{};
  View<const float, 2> floats{};  // x itself where it is not rounded

  // int8_blocks: of int8 activation formats only. floats: the values of any format; of int8 codes
  // f32(code) * scale, in one rounding. fixed_order.
  void provide(Context& context, View<const float, 2> x, const InputRounding& rounding,
               ProductInput input);
};

}  // namespace farthing::ops
