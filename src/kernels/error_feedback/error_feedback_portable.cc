// Rounding with error feedback in plain C++.
#include "kernels/error_feedback/error_feedback.h"
#include "kernels/vec/portable.h"

#include "kernels/error_feedback/error_feedback.inc"

namespace farthing {
extern const ErrorFeedbackFunctions error_feedback_portable;
const ErrorFeedbackFunctions error_feedback_portable{.round = feedback_round};
}  // namespace farthing
