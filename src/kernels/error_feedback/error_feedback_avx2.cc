// Rounding with error feedback in AVX2.
#include "kernels/error_feedback/error_feedback.h"
#include "kernels/vec/avx2.h"

#include "kernels/error_feedback/error_feedback.inc"

namespace farthing {
extern const ErrorFeedbackFunctions error_feedback_avx2;
const ErrorFeedbackFunctions error_feedback_avx2{.round = feedback_round};
}  // namespace farthing
