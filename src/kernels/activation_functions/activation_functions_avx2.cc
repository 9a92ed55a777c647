// Activation functions in AVX2.
#include "kernels/activation_functions/activation_functions.h"
#include "kernels/vec/avx2.h"

#include "kernels/activation_functions/activation_functions.inc"

namespace farthing {
extern const ActivationFunctionKernels activation_functions_avx2;
const ActivationFunctionKernels activation_functions_avx2{.apply = apply, .backward = backward};
}  // namespace farthing
