// RMS norm in AVX2.
#include "kernels/norm/norm.h"
#include "kernels/vec/avx2.h"
// clang-format off: the body needs Vec
#include "kernels/norm/norm.inc"
// clang-format on

namespace farthing {
extern const NormFunctions norm_avx2;
const NormFunctions norm_avx2{.rms_norm = rms_norm};
}  // namespace farthing
