// Packing of the right operand, and the call of the kernel.
#include "ops/linear/product.h"

#include <algorithm>
#include <cstring>

namespace farthing::ops {

void pack_right(View<const float, 2> b, int64_t begin, int64_t end, float* panels) {
  for (int64_t i = begin; i < end; ++i) {
    const float* row = b.row(i);
    for (int64_t p = 0; p < panels_of(b.columns); ++p) {
      float* to = panels + (p * b.rows + i) * panel_outputs;
      const int64_t count = std::min(panel_outputs, b.columns - p * panel_outputs);
      std::memcpy(to, row + p * panel_outputs, static_cast<size_t>(count) * sizeof(float));
      for (int64_t j = count; j < panel_outputs; ++j) to[j] = 0;
    }
  }
}

void Product::run(View<const float, 2> a, View<float, 2> y, int64_t panel_begin, int64_t panel_end,
                  float* scratch) const {
  DCHECK(a.columns == chain && y.columns == outputs && a.rows == y.rows);
  static const Format& f32 = *find_format("f32");
  const QuantizedTensor shape{&f32, outputs, chain, DType::f32, {}};
  kernel->run({&shape,
               reinterpret_cast<const std::byte*>(panels),
               a.rows,
               a.data,
               a.stride,
               {},
               y.data,
               y.stride,
               panel_begin,
               panel_end,
               scratch});
}

const MatmulKernel& f32_product_kernel(Isa isa) {
  static const Format& f32 = *find_format("f32");
  const MatmulKernel* kernel = choose_matmul_kernel({&f32, Activations::f32}, isa);
  CHECK(kernel != nullptr && (*kernel)->packing == Packing::floats);
  return *kernel;
}

namespace {

// Four rows of four.
using Four [[gnu::vector_size(16)]] = float;
void transpose_four(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  Four row[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&row[i], from + i * from_stride, sizeof(Four));
  const Four low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
  const Four low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
  const Four high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
  const Four high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
  const Four out[4] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                       __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                       __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                       __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * to_stride, &out[i], sizeof(Four));
}

}  // namespace

void transpose(View<const float, 2> from, View<float, 2> to) {
  constexpr int64_t block = 16;
  const int64_t whole = from.rows - from.rows % 4;
  for (int64_t r0 = 0; r0 < whole; r0 += block)
    for (int64_t c0 = 0; c0 < from.columns; c0 += block)
      for (int64_t r = r0; r < std::min(r0 + block, whole); r += 4) {
        const int64_t end = std::min(c0 + block, from.columns);
        int64_t c = c0;
        for (; c + 4 <= end; c += 4)
          transpose_four(from.row(r) + c, from.stride, to.row(c) + r, to.stride);
        for (; c < end; ++c)
          for (int64_t i = r; i < r + 4; ++i) to.row(c)[i] = from.row(i)[c];
      }
  for (int64_t r = whole; r < from.rows; ++r)
    for (int64_t c = 0; c < from.columns; ++c) to.row(c)[r] = from.row(r)[c];
}

}  // namespace farthing::ops
