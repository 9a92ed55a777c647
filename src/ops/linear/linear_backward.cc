// Both products on panels packed on the spot: dX on the decoded weight's, dW on the input's.
#include "ops/linear/linear.h"

#include <algorithm>
#include <optional>

#include "ops/linear/product.h"
#include "ops/linear/round_rows.h"
#include "ops/rows.h"

namespace farthing::ops {
namespace {

constexpr int64_t decoded_rows = 32;

// Panels of the decoded weight as right operand [n, k].
float* decode_panels(Context& context, const QuantizedTensor& w) {
  float* panels = context.workspace.take<float>(panel_floats(w.n, w.k));
  float* buffers = context.workspace.take<float>(context.pool.size() * decoded_rows * w.k);
  context.pool.run([&](Part part) {
    const auto range = part.range(w.n, decoded_rows);
    float* rows = buffers + part.index * decoded_rows * w.k;
    for (int64_t n = range.begin; n < range.end; n += decoded_rows) {
      const int64_t end = std::min(n + decoded_rows, range.end);
      w.format->decode_tile(w, {n, end, 0, w.k}, rows, w.k);
      // rows [n, end) of the whole: pack_right reads row i at data + i * stride
      pack_right({rows - n * w.k, w.n, w.k, w.k}, n, end, panels);
    }
  });
  return panels;
}

// Gradients [begin, end) of clipped inputs become 0.
void clip(View<const float, 2> x, const InputRange& range, int64_t begin, int64_t end,
          View<float, 2> gradient) {
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t i = begin; i < end; ++i)
      if (!(x.row(r)[i] >= range.low && x.row(r)[i] <= range.high)) gradient.row(r)[i] = 0;
}

void add_x_gradient(Context& context, View<const float, 2> x, const LinearGradient& g,
                    View<float, 2> x_gradient) {
  const Workspace::Mark mark(context.workspace);
  const QuantizedTensor& w = *g.weight;
  const Product product{f32_product_kernel(context.isa), w.n, w.k, decode_panels(context, w)};
  const auto y = context.workspace.take_rows<float>(x_gradient.rows, w.k);
  float* scratch = context.workspace.take<float>(matmul_scratch_floats() * context.pool.size());
  context.pool.run([&](Part part) {
    const auto panels = part.range(panels_of(w.k), panels_at_once(x_gradient.rows));
    if (panels.begin == panels.end) return;
    product.run(g.y_gradient, y, panels.begin, panels.end,
                scratch + part.index * matmul_scratch_floats());
    const int64_t begin = panels.begin * panel_outputs,
                  end = std::min(panels.end * panel_outputs, w.k);
    if (g.clips_input) clip(x, range_of(g.input), begin, end, y);
    add_to({y.data + begin, y.rows, end - begin, y.stride},
           {x_gradient.data + begin, y.rows, end - begin, x_gradient.stride});
  });
}

void add_weight_gradient(Context& context, const LinearGradient& g, const Product& product) {
  constexpr int64_t block_rows = 64;  // what the kernel takes at once
  const Workspace::Mark mark(context.workspace);
  const int64_t n = g.weight_gradient.rows, k = g.weight_gradient.columns, m = product.chain;
  const int threads = context.pool.size();
  float* scratch = context.workspace.take<float>(matmul_scratch_floats() * threads);
  float* across = context.workspace.take<float>(block_rows * m * threads);
  float* products = context.workspace.take<float>(block_rows * k * threads);
  context.pool.run([&](Part part) {
    const auto range = part.range(n, 16);
    const View<float, 2> y{products + part.index * block_rows * k, block_rows, k, k};
    for (int64_t i = range.begin; i < range.end; i += block_rows) {
      const int64_t rows = std::min(block_rows, range.end - i);
      const View<float, 2> a{across + part.index * block_rows * m, rows, m, m};
      transpose({g.y_gradient.data + i, m, rows, g.y_gradient.stride}, a);
      product.run(a, y.rows_from(0, rows), scratch + part.index * matmul_scratch_floats());
      add_to(y.rows_from(0, rows), g.weight_gradient.rows_from(i, i + rows));
    }
  });
}

}  // namespace

void linear_backward(Context& context, View<const float, 2> x,
                     std::span<const LinearGradient> gradients, View<float, 2> x_gradient) {
  bool weights = false;
  for (const LinearGradient& g : gradients) {
    CHECK(g.weight->k == x.columns && g.y_gradient.rows == x.rows &&
          g.y_gradient.columns == g.weight->n);
    CHECK(x_gradient.rows == 0 || (x_gradient.rows == x.rows && x_gradient.columns == x.columns));
    if (x_gradient.rows > 0) add_x_gradient(context, x, g, x_gradient);
    weights |= g.weight_gradient.rows > 0;
  }
  if (!weights) return;
  const Workspace::Mark mark(context.workspace);
  float* panels = context.workspace.take<float>(panel_floats(x.rows, x.columns));
  const Product product{f32_product_kernel(context.isa), x.rows, x.columns, panels};
  std::optional<InputRounding> packed;  // which rounding of x the panels hold
  for (const LinearGradient& g : gradients) {
    if (g.weight_gradient.rows == 0) continue;
    if (packed != g.input) {
      packed = g.input;
      const Workspace::Mark rounding(context.workspace);
      RoundedRows rounded;
      rounded.provide(context, x, g.input, ProductInput::floats);
      const View<const float, 2> input = rounded.floats;
      context.pool.run([&](Part part) {
        const auto rows = part.range(x.rows);
        pack_right(input, rows.begin, rows.end, panels);
      });
    }
    add_weight_gradient(context, g, product);
  }
}

}  // namespace farthing::ops
