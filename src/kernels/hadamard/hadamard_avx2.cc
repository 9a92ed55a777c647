// The Hadamard transform in AVX2.
#include "kernels/hadamard/hadamard.h"
#include "kernels/vec/avx2.h"

#include "kernels/hadamard/hadamard.inc"

namespace farthing {
extern const HadamardFunctions hadamard_avx2;
const HadamardFunctions hadamard_avx2{.transform = transform};
}  // namespace farthing
