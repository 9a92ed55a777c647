// Residual add, SwiGLU with its gradients, and exp in AVX2.
#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/avx2.h"

#include "kernels/elementwise/elementwise.inc"

namespace farthing {
extern const ElementwiseFunctions elementwise_avx2;
const ElementwiseFunctions elementwise_avx2{
    .add = add_rows, .swiglu = swiglu_rows, .swiglu_backward = swiglu_backward, .exp = exp_rows};
}  // namespace farthing
