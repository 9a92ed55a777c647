// The list of quantize_rows kernels.
#include "kernels/quantize_rows/quantize_rows.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const QuantizeRowsFunctions symbol;
#include "kernels/quantize_rows/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr QuantizeRowsKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/quantize_rows/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const QuantizeRowsKernel> quantize_rows_kernels() { return table; }
const QuantizeRowsKernel& choose_quantize_rows_kernel(Isa isa) {
  return strongest_kernel(quantize_rows_kernels(), isa);
}

}  // namespace farthing
