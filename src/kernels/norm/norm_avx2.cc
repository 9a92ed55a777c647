// RMS norm and layer norm, and their gradients, in AVX2.
#include "kernels/norm/norm.h"
#include "kernels/vec/avx2.h"

#include "kernels/norm/norm.inc"

namespace farthing {
extern const NormFunctions norm_avx2;
const NormFunctions norm_avx2{.rms_norm = rms_norm,
                              .inverse_rms = inverse_rms,
                              .rms_norm_backward = rms_norm_backward,
                              .layer_norm = layer_norm,
                              .moments = moments,
                              .layer_norm_backward = layer_norm_backward,
                              .gain_backward = gain_backward};
}  // namespace farthing
