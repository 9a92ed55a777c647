// The list of kernels of activation functions.
#include "kernels/activation_functions/activation_functions.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const ActivationFunctionKernels symbol;
#include "kernels/activation_functions/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr ActivationFunctionKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/activation_functions/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const ActivationFunctionKernel> activation_function_kernels() { return table; }
const ActivationFunctionKernel& choose_activation_function_kernel(Isa isa) {
  return strongest_kernel(activation_function_kernels(), isa);
}

}  // namespace farthing
