// One half of the product, rows of 64 inputs dealt out to the threads.
#include "ops/linear/gram.h"

#include <algorithm>

#include "base/check.h"
#include "base/rehearsal.h"
#include "ops/linear/product.h"

namespace farthing::ops {
namespace {

constexpr int64_t block_rows = 64;  // what the kernel takes at once

}  // namespace

void add_gram(Context& context, View<const float, 2> x, View<float, 2> gram) {
  CHECK(gram.rows == x.columns && gram.columns == x.columns);
  const Workspace::Mark mark(context.workspace);
  const int64_t m = x.rows, k = x.columns;
  const int threads = context.pool.size();
  float* panels = context.workspace.take<float>(panel_floats(m, k));
  float* scratch = context.workspace.take<float>(matmul_scratch_floats() * threads);
  float* across = context.workspace.take<float>(block_rows * m * threads);
  float* products = context.workspace.take<float>(block_rows * k * threads);
  context.pool.run([&](Part part) {
    const auto rows = part.range(m);
    pack_right(x, rows.begin, rows.end, panels);
  });
  const Product product{f32_product_kernel(context.isa), m, k, panels};
  context.pool.run([&](Part part) {
    const View<float, 2> y{products + part.index * block_rows * k, block_rows, k, k};
    // Rows further down are shorter: dealing them out in turns is fair.
    for (int64_t i = part.index * block_rows; i < k; i += part.count * block_rows) {
      const int64_t rows = std::min(block_rows, k - i);
      const View<float, 2> a{across + part.index * block_rows * m, rows, m, m};
      transpose({x.data + i, m, rows, x.stride}, a);
      product.run(a, y.rows_from(0, rows), i / panel_outputs, panels_of(k),
                  scratch + part.index * matmul_scratch_floats());
      add_to({y.data + i, rows, k - i, y.stride}, {gram.row(i) + i, rows, k - i, gram.stride});
    }
  });
}

void mirror_gram(View<float, 2> gram) {
  if (rehearsing()) return;
  for (int64_t i = 0; i < gram.rows; ++i)
    for (int64_t j = 0; j < i; ++j) gram.row(i)[j] = gram.row(j)[i];
}

}  // namespace farthing::ops
