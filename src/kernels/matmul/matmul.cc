// The list of matrix-product kernels and the choice among them.
#include "kernels/matmul/matmul.h"

#include "kernels/matmul/scratch.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const MatmulFunctions symbol;
#include "kernels/matmul/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr MatmulKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/matmul/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const MatmulKernel> matmul_kernels() { return table; }

bool accepts(const MatmulKernel& kernel, const Format& format) {
  switch (kernel->packing) {
    case Packing::stored:
      return true;
    case Packing::floats:
      return format.plain.has_value();
    case Packing::elements:
      return format.elements.has_value();
    case Packing::integers:
      return has_int8_product(format) && format.grid->bits <= 8;
  }
  return false;
}

const MatmulKernel* choose_matmul_kernel(const Scheme& scheme, Isa isa) {
  const MatmulKernel* best = nullptr;
  for (const MatmulKernel& kernel : matmul_kernels()) {
    if (kernel.isa > isa || kernel->input != product_input(scheme) ||
        !accepts(kernel, *scheme.weights))
      continue;
    if (best == nullptr || kernel.isa > best->isa) best = &kernel;
  }
  return best;
}

const MatmulKernel* find_stored_kernel(const Scheme& scheme, Isa isa) {
  const MatmulKernel* best = nullptr;
  for (const MatmulKernel& kernel : matmul_kernels()) {
    if (kernel.isa <= isa && kernel->packing == Packing::stored &&
        kernel->input == product_input(scheme))
      best = &kernel;  // the list goes from weak to strong
  }
  return best;
}

int64_t matmul_scratch_floats() { return dense_scratch_floats; }

}  // namespace farthing
