// RMS norm in AVX-512.
#include "kernels/norm/norm.h"
#include "kernels/vec/avx512.h"

#include "kernels/norm/norm.inc"

namespace farthing {
extern const NormFunctions norm_avx512;
const NormFunctions norm_avx512{.rms_norm = rms_norm};
}  // namespace farthing
