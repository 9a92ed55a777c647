// Cross-entropy from log-probabilities of tokens; its gradient by two kernel calls for each row.
#include "ops/cross_entropy.h"

#include <algorithm>

#include "kernels/softmax/softmax.h"
#include "ops/rows.h"
#include "ops/softmax.h"

namespace farthing::ops {

void cross_entropy_forward(Context& context, View<const float, 2> logits,
                           std::span<const int32_t> targets, std::span<float> losses) {
  CHECK(static_cast<int64_t>(targets.size()) == logits.rows && losses.size() == targets.size());
  const Workspace::Mark mark(context.workspace);
  const std::span<int32_t> tokens(context.workspace.take<int32_t>(logits.rows), targets.size());
  std::replace_copy(targets.begin(), targets.end(), tokens.begin(), -1, 0);
  token_log_probabilities(context, logits, tokens, losses);
  for (size_t r = 0; r < losses.size(); ++r) losses[r] = targets[r] == -1 ? 0.0f : -losses[r];
}

void cross_entropy_backward(Context& context, View<const float, 2> logits,
                            std::span<const int32_t> targets, std::span<const float> weights,
                            View<float, 2> logits_gradient) {
  const int64_t m = logits.rows, n = logits.columns;
  CHECK(logits_gradient.rows == m && logits_gradient.columns == n && n >= 1);
  CHECK(static_cast<int64_t>(targets.size()) == m && weights.size() == targets.size());
  const SoftmaxKernel& kernel = choose_softmax_kernel(context.isa);
  for_each_row(context, m, n, [&](int64_t r) {
    const int64_t target = targets[r];
    CHECK(target >= -1 && target < n);
    float* const out = logits_gradient.row(r);
    if (target == -1 || weights[r] == 0.0f) {
      std::fill_n(out, n, 0.0f);
      return;
    }
    const float* const x = logits.row(r);
    kernel->cross_entropy_backward(x, n, kernel->statistics(x, n), target, weights[r], out);
  });
}

}  // namespace farthing::ops
