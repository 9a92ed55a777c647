// RMS norm in plain C++.
#include "kernels/norm/norm.h"
#include "kernels/vec/portable.h"

#include "kernels/norm/norm.inc"

namespace farthing {
extern const NormFunctions norm_portable;
const NormFunctions norm_portable{.rms_norm = rms_norm};
}  // namespace farthing
