// Residual add, SwiGLU with its gradients, and exp in AVX-512.
#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/avx512.h"

#include "kernels/elementwise/elementwise.inc"

namespace farthing {
extern const ElementwiseFunctions elementwise_avx512;
const ElementwiseFunctions elementwise_avx512{
    .add = add_rows, .swiglu = swiglu_rows, .swiglu_backward = swiglu_backward, .exp = exp_rows};
}  // namespace farthing
