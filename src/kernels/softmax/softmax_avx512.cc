// Softmax statistics and what builds on them in AVX-512.
#include "kernels/softmax/softmax.h"
#include "kernels/vec/avx512.h"

#include "kernels/softmax/softmax.inc"

namespace farthing {
extern const SoftmaxFunctions softmax_avx512;
const SoftmaxFunctions softmax_avx512{.statistics = statistics,
                                      .log_softmax = log_softmax,
                                      .argmax = argmax,
                                      .kl_divergence = kl_divergence,
                                      .cross_entropy_backward = cross_entropy_backward};
}  // namespace farthing
