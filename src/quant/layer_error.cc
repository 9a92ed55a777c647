// Errors of one linear, row by row.
#include "quant/layer_error.h"

#include <vector>

#include "ops/linear/product.h"

namespace farthing {
namespace {

// Sums over rows of what of_row(n) gives for each, in ascending order.
struct Pair {
  double error = 0, square = 0;
};
template <class OfRows>
double ratio(Context& context, int64_t n, const OfRows& of_rows) {
  std::vector<Pair> rows(static_cast<size_t>(n));
  context.pool.run([&](Part part) {
    const auto range = part.range(n, 16);
    of_rows(part.index, range.begin, range.end, rows.data());
  });
  Pair sum;
  for (const Pair& row : rows) {
    sum.error += row.error;
    sum.square += row.square;
  }
  return sum.square == 0 ? 0 : sum.error / sum.square;
}

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

}  // namespace

double relative_squared_error(Context& context, View<const float, 2> weight,
                              const QuantizedTensor& q) {
  return ratio(context, q.n, [&](int, int64_t begin, int64_t end, Pair* rows) {
    std::vector<float> decoded(static_cast<size_t>(q.k));
    for (int64_t n = begin; n < end; ++n) {
      q.format->decode_tile(q, {n, n + 1, 0, q.k}, decoded.data(), q.k);
      for (int64_t k = 0; k < q.k; ++k) decoded[static_cast<size_t>(k)] -= weight.row(n)[k];
      rows[n] = {dot(decoded.data(), decoded.data(), q.k), dot(weight.row(n), weight.row(n), q.k)};
    }
  });
}

double relative_output_error(Context& context, View<const float, 2> weight,
                             const QuantizedTensor& q, View<const float, 2> gram) {
  constexpr int64_t block = 64;
  const Workspace::Mark mark(context.workspace);
  const int64_t k = q.k;
  float* panels = context.workspace.take<float>(ops::panel_floats(k, k));
  context.pool.run([&](Part part) {
    const auto rows = part.range(k);
    ops::pack_right(gram, rows.begin, rows.end, panels);
  });
  const ops::Product product{ops::f32_product_kernel(context.isa), k, k, panels};
  float* scratch = context.workspace.take<float>(matmul_scratch_floats() * context.pool.size());
  float* buffers = context.workspace.take<float>(2 * block * k * context.pool.size());
  return ratio(context, q.n, [&](int index, int64_t begin, int64_t end, Pair* rows) {
    float* const mine = buffers + 2 * block * k * index;
    for (int64_t at = begin; at < end; at += block) {
      const int64_t count = end - at < block ? end - at : block;
      const View<float, 2> error{mine, count, k, k}, moved{mine + block * k, count, k, k};
      float* const thread_scratch = scratch + index * matmul_scratch_floats();
      q.format->decode_tile(q, {at, at + count, 0, k}, error.data, k);
      for (int64_t i = 0; i < count; ++i)
        for (int64_t c = 0; c < k; ++c) error.row(i)[c] -= weight.row(at + i)[c];
      product.run(error, moved, thread_scratch);
      for (int64_t i = 0; i < count; ++i) rows[at + i].error = dot(error.row(i), moved.row(i), k);
      product.run(weight.rows_from(at, at + count), moved, thread_scratch);
      for (int64_t i = 0; i < count; ++i)
        rows[at + i].square = dot(weight.row(at + i), moved.row(i), k);
    }
  });
}

}  // namespace farthing
