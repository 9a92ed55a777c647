// Rounding with error feedback in AVX-512.
#include "kernels/error_feedback/error_feedback.h"
#include "kernels/vec/avx512.h"

#include "kernels/error_feedback/error_feedback.inc"

namespace farthing {
extern const ErrorFeedbackFunctions error_feedback_avx512;
const ErrorFeedbackFunctions error_feedback_avx512{.round = feedback_round};
}  // namespace farthing
