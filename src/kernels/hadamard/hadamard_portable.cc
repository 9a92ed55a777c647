// The Hadamard transform in plain C++.
#include "kernels/hadamard/hadamard.h"
#include "kernels/vec/portable.h"

#include "kernels/hadamard/hadamard.inc"

namespace farthing {
extern const HadamardFunctions hadamard_portable;
const HadamardFunctions hadamard_portable{.transform = transform};
}  // namespace farthing
