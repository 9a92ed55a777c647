// The list of elementwise kernels.
#include "kernels/elementwise/elementwise.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const ElementwiseFunctions symbol;
#include "kernels/elementwise/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr ElementwiseKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/elementwise/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const ElementwiseKernel> elementwise_kernels() { return table; }
const ElementwiseKernel& choose_elementwise_kernel(Isa isa) {
  return strongest_kernel(elementwise_kernels(), isa);
}

}  // namespace farthing
