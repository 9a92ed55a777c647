// Residual add, SwiGLU and exp in plain C++.
#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/portable.h"

#include "kernels/elementwise/elementwise.inc"

namespace farthing {
extern const ElementwiseFunctions elementwise_portable;
const ElementwiseFunctions elementwise_portable{
    .add = add_rows, .swiglu = swiglu_rows, .exp = exp_rows};
}  // namespace farthing
