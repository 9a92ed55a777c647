// Embedding lookup by decoding one row for each token; its gradient by adding rows.
#include "ops/embedding.h"

#include <algorithm>
#include <cstring>

#include "kernels/elementwise/elementwise.h"
#include "ops/rows.h"

namespace farthing::ops {

namespace {

void copy_row(const Tensor& table, int64_t row, int64_t k, float* out) {
  switch (table.dtype()) {
    case DType::f32:
      std::memcpy(out, table.as<float>() + row * k, static_cast<size_t>(k) * sizeof(float));
      break;
    case DType::f16:
      for (int64_t i = 0; i < k; ++i) out[i] = f32_from_f16(table.as<uint16_t>()[row * k + i]);
      break;
    case DType::bf16:
      for (int64_t i = 0; i < k; ++i) out[i] = f32_from_bf16(table.as<uint16_t>()[row * k + i]);
      break;
    default:
      CHECK(!"an embedding table of f32, f16 or bf16");
  }
}

}  // namespace

void embedding_forward(Context& context, const QuantizedTensor& table,
                       std::span<const int32_t> tokens, View<float, 2> out) {
  CHECK(static_cast<int64_t>(tokens.size()) == out.rows && table.k == out.columns &&
        table.format != nullptr);
  for_each_row(context, out.rows, out.columns, [&](int64_t r) {
    const int64_t token = tokens[r];
    CHECK(token >= 0 && token < table.n);
    table.format->decode_tile(table, {token, token + 1, 0, table.k}, out.row(r), out.stride);
  });
}

void embedding_forward(Context& context, const Tensor& table, std::span<const int32_t> tokens,
                       View<float, 2> out) {
  CHECK(table.shape().rank() == 2 && table.shape()[1] == out.columns);
  CHECK(static_cast<int64_t>(tokens.size()) == out.rows);
  for_each_row(context, out.rows, out.columns, [&](int64_t r) {
    CHECK(tokens[r] >= 0 && tokens[r] < table.shape()[0]);
    copy_row(table, tokens[r], out.columns, out.row(r));
  });
}

void embedding_backward(Context& context, std::span<const int32_t> tokens,
                        View<const float, 2> out_gradient, View<float, 2> table_gradient) {
  CHECK(static_cast<int64_t>(tokens.size()) == out_gradient.rows);
  CHECK(out_gradient.columns == table_gradient.columns);
  for (const int32_t token : tokens) CHECK(token >= 0 && token < table_gradient.rows);
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  constexpr int64_t strip = 64;  // columns
  const int64_t k = out_gradient.columns;
  for_each_row(context, (k + strip - 1) / strip, strip * out_gradient.rows, [&](int64_t s) {
    const int64_t begin = s * strip, columns = std::min(strip, k - begin);
    for (int64_t r = 0; r < out_gradient.rows; ++r) {
      float* const sum = table_gradient.row(tokens[r]) + begin;
      kernel->add(sum, out_gradient.row(r) + begin, columns, sum);
    }
  });
}

}  // namespace farthing::ops
