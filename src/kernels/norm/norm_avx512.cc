// RMS norm in AVX-512.
#include "kernels/norm/norm.h"
#include "kernels/vec/avx512.h"
// clang-format off: the body needs Vec
#include "kernels/norm/norm.inc"
// clang-format on

namespace farthing {
extern const NormFunctions norm_avx512;
const NormFunctions norm_avx512{.rms_norm = rms_norm};
}  // namespace farthing
