// Softmax operators: a few kernel calls for each row, and the logarithm of its sum.
#include "ops/softmax.h"

#include <limits>

#include "kernels/scalar_math.h"
#include "kernels/softmax/softmax.h"
#include "ops/rows.h"

namespace farthing::ops {

namespace {

LogNormalizer log_normalizer(const SoftmaxKernel& kernel, const float* x, int64_t n) {
  const SoftmaxStatistics statistics = kernel->statistics(x, n);
  return {statistics.max, static_cast<float>(fixed_log(statistics.sum))};
}

bool holds(std::span<const float> out, int64_t rows) {
  return static_cast<int64_t>(out.size()) == rows;
}

}  // namespace

void log_softmax_forward(Context& context, View<const float, 2> x, View<float, 2> out) {
  CHECK(x.rows == out.rows && x.columns == out.columns && x.columns >= 1);
  const SoftmaxKernel& kernel = choose_softmax_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    kernel->log_softmax(x.row(r), x.columns, log_normalizer(kernel, x.row(r), x.columns),
                        out.row(r));
  });
}

void token_log_probabilities(Context& context, View<const float, 2> x,
                             std::span<const int32_t> tokens, std::span<float> out) {
  CHECK(holds(out, x.rows) && tokens.size() == out.size() && x.columns >= 1);
  const SoftmaxKernel& kernel = choose_softmax_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    CHECK(tokens[r] >= 0 && tokens[r] < x.columns);
    const LogNormalizer normalizer = log_normalizer(kernel, x.row(r), x.columns);
    out[r] = (x.row(r)[tokens[r]] - normalizer.max) - normalizer.log_sum;
  });
}

void argmax_rows(Context& context, View<const float, 2> x, std::span<int32_t> out) {
  CHECK(static_cast<int64_t>(out.size()) == x.rows);
  CHECK(x.columns >= 1 && x.columns <= std::numeric_limits<int32_t>::max());
  const SoftmaxKernel& kernel = choose_softmax_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    out[r] = static_cast<int32_t>(kernel->argmax(x.row(r), x.columns));
  });
}

void kl_divergence_rows(Context& context, View<const float, 2> p, View<const float, 2> q,
                        std::span<float> out) {
  CHECK(p.rows == q.rows && p.columns == q.columns && holds(out, p.rows) && p.columns >= 1);
  const SoftmaxKernel& kernel = choose_softmax_kernel(context.isa);
  for_each_row(context, p.rows, p.columns, [&](int64_t r) {
    const LogNormalizer of_p = log_normalizer(kernel, p.row(r), p.columns);
    const LogNormalizer of_q = log_normalizer(kernel, q.row(r), q.columns);
    out[r] = kernel->kl_divergence(p.row(r), of_p, q.row(r), of_q, p.columns);
  });
}

}  // namespace farthing::ops
