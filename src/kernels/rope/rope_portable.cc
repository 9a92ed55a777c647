// Rotary position embedding in plain C++.
#include "kernels/rope/rope.h"
#include "kernels/vec/portable.h"

#include "kernels/rope/rope.inc"

namespace farthing {
extern const RopeFunctions rope_portable;
const RopeFunctions rope_portable{.rotate = rotate, .rotate_back = rotate_back};
}  // namespace farthing
