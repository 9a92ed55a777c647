// Rotary position embedding in AVX-512.
#include "kernels/rope/rope.h"
#include "kernels/vec/avx512.h"

#include "kernels/rope/rope.inc"

namespace farthing {
extern const RopeFunctions rope_avx512;
const RopeFunctions rope_avx512{.rotate = rotate, .rotate_back = rotate_back};
}  // namespace farthing
