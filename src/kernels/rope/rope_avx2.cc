// Rotary position embedding in AVX2.
#include "kernels/rope/rope.h"
#include "kernels/vec/avx2.h"

#include "kernels/rope/rope.inc"

namespace farthing {
extern const RopeFunctions rope_avx2;
const RopeFunctions rope_avx2{.rotate = rotate, .rotate_back = rotate_back};
}  // namespace farthing
