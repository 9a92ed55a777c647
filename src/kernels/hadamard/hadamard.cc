// The list of hadamard kernels.
#include "kernels/hadamard/hadamard.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const HadamardFunctions symbol;
#include "kernels/hadamard/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr HadamardKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/hadamard/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const HadamardKernel> hadamard_kernels() { return table; }
const HadamardKernel& choose_hadamard_kernel(Isa isa) {
  return strongest_kernel(hadamard_kernels(), isa);
}

}  // namespace farthing
