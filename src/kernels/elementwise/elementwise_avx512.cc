// Sums, products, SwiGLU, soft caps and exp in AVX-512.
#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/avx512.h"

#include "kernels/elementwise/elementwise.inc"

namespace farthing {
extern const ElementwiseFunctions elementwise_avx512;
const ElementwiseFunctions elementwise_avx512{.add = add_rows,
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
