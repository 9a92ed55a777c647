// Softmax statistics and what builds on them in plain C++.
#include "kernels/softmax/softmax.h"
#include "kernels/vec/portable.h"

#include "kernels/softmax/softmax.inc"

namespace farthing {
extern const SoftmaxFunctions softmax_portable;
const SoftmaxFunctions softmax_portable{.statistics = statistics,
                                        .log_softmax = log_softmax,
                                        .argmax = argmax,
                                        .kl_divergence = kl_divergence,
                                        .cross_entropy_backward = cross_entropy_backward};
}  // namespace farthing
