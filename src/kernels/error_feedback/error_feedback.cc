// The list of error_feedback kernels.
#include "kernels/error_feedback/error_feedback.h"

namespace farthing {

#define FARTHING_KERNEL(symbol, isa, level) extern const ErrorFeedbackFunctions symbol;
#include "kernels/error_feedback/kernels.inc"
#undef FARTHING_KERNEL

namespace {
constexpr ErrorFeedbackKernel table[] = {
#define FARTHING_KERNEL FARTHING_KERNEL_ROW
#include "kernels/error_feedback/kernels.inc"
#undef FARTHING_KERNEL
};
}  // namespace

std::span<const ErrorFeedbackKernel> error_feedback_kernels() { return table; }
const ErrorFeedbackKernel& choose_error_feedback_kernel(Isa isa) {
  return strongest_kernel(error_feedback_kernels(), isa);
}

}  // namespace farthing
