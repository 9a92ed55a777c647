// Products of f32 matrices for backward passes: the f32 kernel of the matrix product on operands
// that are packed on the spot.
#pragma once

#include "kernels/matmul/matmul.h"
#include "tensor/context.h"

namespace farthing::ops {

// Floats of the panels of a right operand [chain, outputs].
constexpr int64_t panel_floats(int64_t chain, int64_t outputs) {
  return panels_of(outputs) * panel_outputs * chain;
}

// Packs rows [begin, end) of b [chain, outputs] into its panels, [panel][chain][16].
void pack_right(View<const float, 2> b, int64_t begin, int64_t end, float* panels);

// y = a b on the calling thread, for the panels [panel_begin, panel_end): a [m, chain], y [m,
// outputs]. `scratch`: matmul_scratch_floats(). fixed_order, as linear_forward with f32 weights.
struct Product {
  const MatmulKernel& kernel;
  int64_t chain, outputs;
  const float* panels;

  void run(View<const float, 2> a, View<float, 2> y, int64_t panel_begin, int64_t panel_end,
           float* scratch) const;
  void run(View<const float, 2> a, View<float, 2> y, float* scratch) const {
    run(a, y, 0, panels_of(outputs), scratch);
  }
};

// The kernel that multiplies with f32 weights.
const MatmulKernel& f32_product_kernel(Isa isa);

// y += x, element by element.
inline void add_to(View<const float, 2> x, View<float, 2> y) {
  for (int64_t r = 0; r < y.rows; ++r)
    for (int64_t i = 0; i < y.columns; ++i) y.row(r)[i] += x.row(r)[i];
}

// to [columns, rows] = from^T.
void transpose(View<const float, 2> from, View<float, 2> to);

}  // namespace farthing::ops
