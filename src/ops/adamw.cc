// AdamW and the norm of a gradient: a kernel call for each block of 4096 elements.
#include "ops/adamw.h"

#include <algorithm>
#include <cmath>

#include "kernels/adamw/adamw.h"
#include "ops/rows.h"

namespace farthing {

namespace {
constexpr int64_t block = 4096;  // elements; part of the order of sum_of_squares
int64_t blocks_of(int64_t elements) { return (elements + block - 1) / block; }
}  // namespace

double bias_correction(double beta, int64_t step) {
  CHECK(beta >= 0.0 && beta < 1.0 && step >= 1);
  double power = beta;
  // below 2^-54, 1 - power is 1 whatever follows
  for (int64_t i = 1; i < step && power >= 0x1p-54; ++i) power *= beta;
  return 1.0 - power;
}

namespace ops {

void adamw_step(Context& context, const AdamWParameters& parameters, std::span<float> value,
                std::span<const float> gradient, std::span<float> first_moment,
                std::span<float> second_moment, float gradient_scale) {
  const AdamWParameters& p = parameters;
  CHECK(gradient.size() == value.size() && first_moment.size() == value.size() &&
        second_moment.size() == value.size());
  CHECK(p.correction1 > 0.0 && p.correction2 > 0.0);
  const AdamWFactors factors{
      .decay = static_cast<float>(1.0 - p.learning_rate * p.weight_decay),
      .one_minus_beta1 = static_cast<float>(1.0 - p.beta1),
      .beta2 = static_cast<float>(p.beta2),
      .one_minus_beta2 = static_cast<float>(1.0 - p.beta2),
      .step_size = static_cast<float>(p.learning_rate / p.correction1),
      .root_correction2 = static_cast<float>(std::sqrt(p.correction2)),
      .epsilon = static_cast<float>(p.epsilon),
      .gradient_scale = gradient_scale,
  };
  const AdamWKernel& kernel = choose_adamw_kernel(context.isa);
  const auto n = static_cast<int64_t>(value.size());
  for_each_row(context, blocks_of(n), block, [&](int64_t b) {
    const int64_t i = b * block;
    kernel->step(factors, gradient.data() + i, std::min(block, n - i), value.data() + i,
                 first_moment.data() + i, second_moment.data() + i);
  });
}

double sum_of_squares(Context& context, std::span<const float> x) {
  const auto n = static_cast<int64_t>(x.size());
  const AdamWKernel& kernel = choose_adamw_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  double* const sums = context.workspace.take<double>(blocks_of(n));
  for_each_row(context, blocks_of(n), block, [&](int64_t b) {
    const int64_t i = b * block;
    sums[b] = kernel->sum_of_squares(x.data() + i, std::min(block, n - i));
  });
  double sum = 0.0;
  for (int64_t b = 0; b < blocks_of(n); ++b) sum += sums[b];
  return sum;
}

}  // namespace ops
}  // namespace farthing
