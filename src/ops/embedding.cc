// Embedding lookup by decoding one row for each token.
#include "ops/embedding.h"

#include <cstring>

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

}  // namespace farthing::ops
