// The list of outlier_columns kernels.
#include "kernels/outlier_columns/outlier_columns.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const OutlierColumnsFunctions symbol;
#include "kernels/outlier_columns/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr OutlierColumnsKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/outlier_columns/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const OutlierColumnsKernel> outlier_columns_kernels() { return table; }
const OutlierColumnsKernel& choose_outlier_columns_kernel(Isa isa) {
  return strongest_kernel(outlier_columns_kernels(), isa);
}

}  // namespace farthing
