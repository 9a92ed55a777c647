// Cross-entropy of rows of logits against target tokens, and its gradient.
#pragma once

#include <span>

#include "tensor/context.h"

namespace farthing::ops {

// losses[r] = -log_softmax(logits[r])[targets[r]] in nats, with the bits of
// token_log_probabilities; 0 where the target is -1. logits [m, n]; every other target lies in [0,
// n). fixed_order.
void cross_entropy_forward(Context& context, View<const float, 2> logits,
                           std::span<const int32_t> targets, std::span<float> losses);

// logits_gradient[r] = (softmax(logits[r]) - onehot(targets[r])) * weights[r]: OVERWRITES, and may
// be the memory of the logits. p = exp(x - max) / sum rather than exp(log_softmax): the logarithm's
// rounding, up to 2^-20 where |log p| is above 16, would be one more relative error in p. A row
// with the target -1 or the weight 0 gives zeros, whatever its logits. fixed_order.
void cross_entropy_backward(Context& context, View<const float, 2> logits,
                            std::span<const int32_t> targets, std::span<const float> weights,
                            View<float, 2> logits_gradient);

}  // namespace farthing::ops
