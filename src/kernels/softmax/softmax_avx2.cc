// Softmax statistics and what builds on them in AVX2.
#include "kernels/softmax/softmax.h"
#include "kernels/vec/avx2.h"

#include "kernels/softmax/softmax.inc"

namespace farthing {
extern const SoftmaxFunctions softmax_avx2;
const SoftmaxFunctions softmax_avx2{.statistics = statistics,
                                    .log_softmax = log_softmax,
                                    .argmax = argmax,
                                    .kl_divergence = kl_divergence,
                                    .cross_entropy_backward = cross_entropy_backward};
}  // namespace farthing
