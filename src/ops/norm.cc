// RMS norm: a kernel call for each row, and one for each strip of columns of the gain's gradient.
#include "ops/norm.h"

#include <algorithm>

#include "kernels/norm/norm.h"
#include "ops/rows.h"

namespace farthing::ops {

void rms_norm_forward(Context& context, View<const float, 2> x, const Tensor& gain, float eps,
                      View<float, 2> out) {
  CHECK(x.rows == out.rows && x.columns == out.columns);
  CHECK(gain.dtype() == DType::f32 && gain.shape() == Shape({x.columns}));
  CHECK(x.columns >= 1 && x.columns < int64_t{1} << 24);
  const NormKernel& kernel = choose_norm_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    kernel->rms_norm(x.row(r), gain.as<float>(), eps, x.columns, out.row(r));
  });
}

void rms_norm_backward(Context& context, View<const float, 2> x, const Tensor& gain, float eps,
                       View<const float, 2> out_gradient, View<float, 2> x_gradient,
                       Tensor* gain_gradient) {
  const int64_t m = x.rows, n = x.columns;
  CHECK(out_gradient.rows == m && out_gradient.columns == n);
  CHECK(x_gradient.rows == m && x_gradient.columns == n);
  CHECK(gain.dtype() == DType::f32 && gain.shape() == Shape({n}));
  CHECK(n >= 1 && n < int64_t{1} << 24);
  const NormKernel& kernel = choose_norm_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  float* const inverse = context.workspace.take<float>(m);
  for_each_row(context, m, n, [&](int64_t r) {
    inverse[r] = kernel->inverse_rms(x.row(r), eps, n);
    kernel->rms_norm_backward(x.row(r), gain.as<float>(), inverse[r], out_gradient.row(r), n,
                              x_gradient.row(r));
  });
  if (gain_gradient == nullptr) return;
  CHECK(gain_gradient->dtype() == DType::f32 && gain_gradient->shape() == gain.shape());
  float* const gradient = gain_gradient->as<float>();
  constexpr int64_t strip = 64;  // columns
  for_each_row(context, (n + strip - 1) / strip, strip * m, [&](int64_t s) {
    const int64_t begin = s * strip, columns = std::min(strip, n - begin);
    kernel->gain_backward(x.data + begin, x.stride, inverse, out_gradient.data + begin,
                          out_gradient.stride, m, columns, gradient + begin);
  });
}

}  // namespace farthing::ops
