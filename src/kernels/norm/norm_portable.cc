// RMS norm and layer norm, and their gradients, in plain C++.
#include "kernels/norm/norm.h"
#include "kernels/vec/portable.h"

#include "kernels/norm/norm.inc"

namespace farthing {
extern const NormFunctions norm_portable;
const NormFunctions norm_portable{.rms_norm = rms_norm,
                                  .inverse_rms = inverse_rms,
                                  .rms_norm_backward = rms_norm_backward,
                                  .layer_norm = layer_norm,
                                  .moments = moments,
                                  .layer_norm_backward = layer_norm_backward,
                                  .gain_backward = gain_backward};
}  // namespace farthing
