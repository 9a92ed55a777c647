// Activation functions in AVX-512.
#include "kernels/activation_functions/activation_functions.h"
#include "kernels/vec/avx512.h"

#include "kernels/activation_functions/activation_functions.inc"

namespace farthing {
extern const ActivationFunctionKernels activation_functions_avx512;
const ActivationFunctionKernels activation_functions_avx512{.apply = apply, .backward = backward};
}  // namespace farthing
