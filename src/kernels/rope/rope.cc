// The list of rope kernels.
#include "kernels/rope/rope.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const RopeFunctions symbol;
#include "kernels/rope/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr RopeKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/rope/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const RopeKernel> rope_kernels() { return table; }
const RopeKernel& choose_rope_kernel(Isa isa) { return strongest_kernel(rope_kernels(), isa); }

}  // namespace farthing
