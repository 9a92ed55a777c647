// Residual add, SwiGLU with its gradients, and exp in plain C++.
#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/portable.h"

#include "kernels/elementwise/elementwise.inc"

namespace farthing {
extern const ElementwiseFunctions elementwise_portable;
const ElementwiseFunctions elementwise_portable{
    .add = add_rows, .swiglu = swiglu_rows, .swiglu_backward = swiglu_backward, .exp = exp_rows};
}  // namespace farthing
