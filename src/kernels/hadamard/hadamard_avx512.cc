// The Hadamard transform in AVX-512.
#include "kernels/hadamard/hadamard.h"
#include "kernels/vec/avx512.h"

#include "kernels/hadamard/hadamard.inc"

namespace farthing {
extern const HadamardFunctions hadamard_avx512;
const HadamardFunctions hadamard_avx512{.transform = transform};
}  // namespace farthing
