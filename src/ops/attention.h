// Causal attention of query rows to a sequence's cached keys and values.
#pragma once

#include "ops/kv_cache.h"
#include "tensor/context.h"

namespace farthing::ops {

// out[r] = softmax(q[r] K^T / sqrt(head_dim)) V for each head; q and out [m, heads * head_dim],
// heads a multiple of the cache's kv_heads: head h reads kv head h / (heads / kv_heads). Row r is
// at position first_position + r and sees the keys 0 .. its own, which the cache's layer already
// holds. Scale: 1 / sqrt(head_dim), rounded to f32 once. Each (position, head)'s bits are a
// function of its query and of the keys and values it sees. fixed_order; the order is
// kernels/attention/attention.h's.
void attention_forward(Context& context, View<const float, 2> q, const KvCache& cache,
                       int64_t layer, int64_t first_position, View<float, 2> out);

}  // namespace farthing::ops
