// The list of norm kernels.
#include "kernels/norm/norm.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const NormFunctions symbol;
#include "kernels/norm/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr NormKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/norm/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const NormKernel> norm_kernels() { return table; }
const NormKernel& choose_norm_kernel(Isa isa) { return strongest_kernel(norm_kernels(), isa); }

}  // namespace farthing
