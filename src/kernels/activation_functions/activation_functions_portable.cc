// Activation functions in portable code.
#include "kernels/activation_functions/activation_functions.h"
#include "kernels/vec/portable.h"

#include "kernels/activation_functions/activation_functions.inc"

namespace farthing {
extern const ActivationFunctionKernels activation_functions_portable;
const ActivationFunctionKernels activation_functions_portable{.apply = apply, .backward = backward};
}  // namespace farthing
