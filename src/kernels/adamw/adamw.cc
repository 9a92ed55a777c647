// The list of adamw kernels.
#include "kernels/adamw/adamw.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const AdamWFunctions symbol;
#include "kernels/adamw/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr AdamWKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/adamw/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const AdamWKernel> adamw_kernels() { return table; }
const AdamWKernel& choose_adamw_kernel(Isa isa) { return strongest_kernel(adamw_kernels(), isa); }

}  // namespace farthing
