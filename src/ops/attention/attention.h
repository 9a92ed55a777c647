// Causal attention of query rows to a sequence's cached keys and values.
#pragma once

#include "ops/attention/kv_cache.h"
#include "tensor/context.h"

namespace farthing::ops {

// Consecutive rows of a batch that belong to one sequence: row i of them is at first_position + i.
struct AttentionSequence {
  const KvCache* cache;
  int64_t first_position, rows;
};

// Beside the shapes; part of the model.
struct AttentionOptions {
  float scale;         // of the scores, mostly 1 / sqrt(head_dim)
  float softcap = 0;   // scaled scores become softcap * tanh(score / softcap); 0: they stay
  int64_t window = 0;  // a row sees so many keys, its own the last; 0: all
  // [heads]: a score in each head's softmax that no key has; null: none
  const float* sinks = nullptr;
};

// Where attention_backward adds to; without q and k (null, both) only the values' gradients are
// found, in a third of the time, and there are no sinks.
struct AttentionGradients {
  View<float, 2> q, k, v;
  Tensor* sinks = nullptr;  // f32 [heads]
};

// out[r] = softmax(q[r] K^T * scale) V for each head; q and out [m, heads * head_dim], m
// the sum of the sequences' rows, heads a multiple of the cache's kv_heads: head h reads kv head
// h / (heads / kv_heads). A row sees the keys up to its own position of its sequence, which the
// cache's layer already holds, as its codec decodes them. Each (position, head)'s bits are a
// function of its query and of the keys and values it sees. fixed_order; the order is
// kernels/attention/attention.h's.
void attention_forward(Context& context, View<const float, 2> q,
                       std::span<const AttentionSequence> sequences, int64_t layer,
                       const AttentionOptions& options, View<float, 2> out);

// Adds the gradients of q, and of the keys and values that the same rows appended [m, kv_heads *
// head_dim]; earlier positions are constants. The codec's rounding is passed straight through: the
// derivative is taken at the decoded keys and values. Deterministic: each (sequence, kv head) is
// one thread's work. fixed_order.
void attention_backward(Context& context, View<const float, 2> q,
                        std::span<const AttentionSequence> sequences, int64_t layer,
                        const AttentionOptions& options, View<const float, 2> out_gradient,
                        const AttentionGradients& to);

}  // namespace farthing::ops
