// Errors of one linear, row by row.
#include "quant/layer_error.h"

#include <algorithm>
#include <vector>

#include "ops/linear/product.h"

namespace farthing {
namespace {

double dot(const float* a, const float* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

}  // namespace

double relative_squared_error(Context& context, View<const float, 2> weight,
                              const QuantizedTensor& q) {
  struct Sums {
    double error = 0, square = 0;
  };
  std::vector<Sums> rows(static_cast<size_t>(q.n));
  context.pool.run([&](Part part) {
    const auto range = part.range(q.n, 16);
    std::vector<float> decoded(static_cast<size_t>(q.k));
    for (int64_t n = range.begin; n < range.end; ++n) {
      q.format->decode_tile(q, {n, n + 1, 0, q.k}, decoded.data(), q.k);
      for (int64_t k = 0; k < q.k; ++k) decoded[static_cast<size_t>(k)] -= weight.row(n)[k];
      rows[static_cast<size_t>(n)] = {dot(decoded.data(), decoded.data(), q.k),
                                      dot(weight.row(n), weight.row(n), q.k)};
    }
  });
  Sums sum;
  for (const Sums& row : rows) {
    sum.error += row.error;
    sum.square += row.square;
  }
  return sum.square == 0 ? 0 : sum.error / sum.square;
}

OutputError::OutputError(Context& context, View<const float, 2> weight, View<const float, 2> gram)
    : context_(context), weight_(weight), gram_(gram) {
  const int64_t k = gram.rows;
  pack();
  outputs_ = squares(weight.rows, [&](int64_t begin, int64_t end, View<float, 2> x) {
    for (int64_t n = begin; n < end; ++n) std::copy_n(weight.row(n), k, x.row(n - begin));
  });
}

void OutputError::pack() {
  const int64_t k = gram_.rows;
  panels_ = Tensor(DType::f32, {ops::panel_floats(k, k)});
  context_.pool.run([&](Part part) {
    const auto rows = part.range(k);
    ops::pack_right(gram_, rows.begin, rows.end, panels_.as<float>());
  });
}

double OutputError::of(const QuantizedTensor& q) {
  if (!panels_) pack();
  const double errors = squares(q.n, [&](int64_t begin, int64_t end, View<float, 2> x) {
    q.format->decode_tile(q, {begin, end, 0, q.k}, x.data, q.k);
    for (int64_t n = begin; n < end; ++n)
      for (int64_t k = 0; k < q.k; ++k) x.row(n - begin)[k] -= weight_.row(n)[k];
  });
  return outputs_ == 0 ? 0 : errors / outputs_;
}

template <class Fill>
double OutputError::squares(int64_t n, const Fill& fill) const {
  constexpr int64_t block = 64;
  const int64_t k = weight_.columns;
  const Workspace::Mark mark(context_.workspace);
  const ops::Product product{ops::f32_product_kernel(context_.isa), k, k, panels_.as<float>()};
  float* scratch = context_.workspace.take<float>(matmul_scratch_floats() * context_.pool.size());
  float* buffers = context_.workspace.take<float>(2 * block * k * context_.pool.size());
  std::vector<double> rows(static_cast<size_t>(n));
  context_.pool.run([&](Part part) {
    const auto range = part.range(n, 16);
    float* const mine = buffers + 2 * block * k * part.index;
    for (int64_t at = range.begin; at < range.end; at += block) {
      const int64_t count = std::min(block, range.end - at);
      const View<float, 2> x{mine, count, k, k}, moved{mine + block * k, count, k, k};
      fill(at, at + count, x);
      product.run(x, moved, scratch + part.index * matmul_scratch_floats());
      for (int64_t i = 0; i < count; ++i)
        rows[static_cast<size_t>(at + i)] = dot(x.row(i), moved.row(i), k);
    }
  });
  double sum = 0;
  for (const double row : rows) sum += row;
  return sum;
}

}  // namespace farthing
