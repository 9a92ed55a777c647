// The list of attention kernels.
#include "kernels/attention/attention.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const AttentionFunctions symbol;
#include "kernels/attention/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr AttentionKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/attention/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const AttentionKernel> attention_kernels() { return table; }
const AttentionKernel& choose_attention_kernel(Isa isa) {
  return strongest_kernel(attention_kernels(), isa);
}

}  // namespace farthing
