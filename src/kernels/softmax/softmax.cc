// The list of softmax kernels.
#include "kernels/softmax/softmax.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const SoftmaxFunctions symbol;
#include "kernels/softmax/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr SoftmaxKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/softmax/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const SoftmaxKernel> softmax_kernels() { return table; }
const SoftmaxKernel& choose_softmax_kernel(Isa isa) {
  return strongest_kernel(softmax_kernels(), isa);
}

}  // namespace farthing
