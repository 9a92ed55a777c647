// Sums, products, SwiGLU, soft caps and exp in plain C++.
#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/portable.h"

#include "kernels/elementwise/elementwise.inc"

namespace farthing {
extern const ElementwiseFunctions elementwise_portable;
const ElementwiseFunctions elementwise_portable{.add = add_rows,
                                                .swiglu = swiglu_rows,
                                                .swiglu_backward = swiglu_backward,
                                                .clamped_swiglu = clamped_swiglu,
                                                .clamped_swiglu_backward = clamped_swiglu_backward,
                                                .multiply = multiply_rows,
                                                .add_products = add_products,
                                                .add_scaled = add_scaled,
                                                .dot = dot_of_rows,
                                                .scale = scale_rows,
                                                .softcap = softcap_rows,
                                                .softcap_backward = softcap_backward,
                                                .column_sums = column_sums,
                                                .exp = exp_rows};
}  // namespace farthing
