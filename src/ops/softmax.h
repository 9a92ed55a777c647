// Log-probabilities, argmax and KL divergence of rows of logits.
#pragma once

#include <span>

#include "tensor/context.h"

namespace farthing::ops {

// The natural logarithm of softmax, row by row; x and out [m, n]. `out` may be `x`. fixed_order, as
// all below.
void log_softmax_forward(Context& context, View<const float, 2> x, View<float, 2> out);

// out[r] = log_softmax(x[r])[tokens[r]], with the bits of log_softmax_forward. Every token lies in
// [0, n).
void token_log_probabilities(Context& context, View<const float, 2> x,
                             std::span<const int32_t> tokens, std::span<float> out);

// out[r] = the lowest index of the largest logit of row r; NaN is never the largest.
void argmax_rows(Context& context, View<const float, 2> x, std::span<int32_t> out);

// out[r] = KL(softmax(p[r]) || softmax(q[r])) in nats; p and q are logits [m, n].
void kl_divergence_rows(Context& context, View<const float, 2> p, View<const float, 2> q,
                        std::span<float> out);

}  // namespace farthing::ops
