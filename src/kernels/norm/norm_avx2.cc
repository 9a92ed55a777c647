// RMS norm in AVX2.
#include "kernels/norm/norm.h"
#include "kernels/vec/avx2.h"

#include "kernels/norm/norm.inc"

namespace farthing {
extern const NormFunctions norm_avx2;
const NormFunctions norm_avx2{.rms_norm = rms_norm};
}  // namespace farthing
