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

void transpose(View<const float, 2> from, View<float, 2> to) {
  constexpr int64_t block = 16;
  for (int64_t r0 = 0; r0 < from.rows; r0 += block)
    for (int64_t c0 = 0; c0 < from.columns; c0 += block)
      for (int64_t r = r0; r < std::min(r0 + block, from.rows); ++r)
        for (int64_t c = c0; c < std::min(c0 + block, from.columns); ++c)
          to.row(c)[r] = from.row(r)[c];
}

}  // namespace farthing::ops
