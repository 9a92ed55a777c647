// Embedding lookup: rows of a matrix by token, and the gradient of that matrix.
#pragma once

#include <span>

#include "formats/format.h"
#include "tensor/context.h"

namespace farthing::ops {

// out[r] = the decoded row tokens[r] of `table` [vocabulary, k]; out [tokens, k]. Tokens lie in [0,
// vocabulary). Exact: decoding is the format's own.
void embedding_forward(Context& context, const QuantizedTensor& table,
                       std::span<const int32_t> tokens, View<float, 2> out);
// The same for a dense table of f32, f16 or bf16.
void embedding_forward(Context& context, const Tensor& table, std::span<const int32_t> tokens,
                       View<float, 2> out);

// table_gradient[tokens[r]] += out_gradient[r] for ascending r, one rounding for each addition;
// out_gradient [tokens, k], table_gradient [vocabulary, k]. Rows of other tokens stay as they are.
// Tokens lie in [0, vocabulary). fixed_order: threads share columns, not rows.
void embedding_backward(Context& context, std::span<const int32_t> tokens,
                        View<const float, 2> out_gradient, View<float, 2> table_gradient);

}  // namespace farthing::ops
