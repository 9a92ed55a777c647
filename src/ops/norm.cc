// Norms: a kernel call for each row, and one for each strip of columns of the gain's gradient.
#include "ops/norm.h"

#include <algorithm>

#include "kernels/norm/norm.h"
#include "ops/elementwise.h"
#include "ops/rows.h"

namespace farthing::ops {
namespace {

void check(View<const float, 2> x, const Tensor& gain) {
  CHECK(gain.dtype() == DType::f32 && gain.shape() == Shape({x.columns}));
  CHECK(x.columns >= 1 && x.columns < int64_t{1} << 24);
}
void check_same(View<const float, 2> x, View<const float, 2> y) {
  CHECK(x.rows == y.rows && x.columns == y.columns);
}

// gradient [n] += the products of out_gradient with the normed rows.
void gain_backward(Context& context, const NormKernel& kernel, View<const float, 2> x,
                   const NormMoments* moments, View<const float, 2> out_gradient,
                   Tensor* gain_gradient) {
  if (gain_gradient == nullptr) return;
  check(x, *gain_gradient);
  const int64_t m = x.rows, n = x.columns;
  float* const gradient = gain_gradient->as<float>();
  constexpr int64_t strip = 64;  // columns
  for_each_row(context, (n + strip - 1) / strip, strip * m, [&](int64_t s) {
    const int64_t begin = s * strip, columns = std::min(strip, n - begin);
    kernel->gain_backward(x.data + begin, x.stride, moments, out_gradient.data + begin,
                          out_gradient.stride, m, columns, gradient + begin);
  });
}

}  // namespace

void rms_norm_forward(Context& context, View<const float, 2> x, const Tensor& gain, float offset,
                      float eps, View<float, 2> out) {
  check(x, gain);
  check_same(x, out);
  const NormKernel& kernel = choose_norm_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    kernel->rms_norm(x.row(r), gain.as<float>(), offset, eps, x.columns, out.row(r));
  });
}

void rms_norm_backward(Context& context, View<const float, 2> x, const Tensor& gain, float offset,
                       float eps, View<const float, 2> out_gradient, View<float, 2> x_gradient,
                       Tensor* gain_gradient) {
  const int64_t m = x.rows, n = x.columns;
  check(x, gain);
  check_same(x, out_gradient);
  check_same(x, x_gradient);
  const NormKernel& kernel = choose_norm_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  auto* const moments = context.workspace.take<NormMoments>(m);
  for_each_row(context, m, n, [&](int64_t r) {
    moments[r] = {0.0f, kernel->inverse_rms(x.row(r), eps, n)};
    kernel->rms_norm_backward(x.row(r), gain.as<float>(), offset, moments[r].inverse,
                              out_gradient.row(r), n, x_gradient.row(r));
  });
  gain_backward(context, kernel, x, moments, out_gradient, gain_gradient);
}

void layer_norm_forward(Context& context, View<const float, 2> x, const Tensor& gain,
                        const Tensor& bias, float eps, View<float, 2> out) {
  check(x, gain);
  check(x, bias);
  check_same(x, out);
  const NormKernel& kernel = choose_norm_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    kernel->layer_norm(x.row(r), gain.as<float>(), bias.as<float>(), eps, x.columns, out.row(r));
  });
}

void layer_norm_backward(Context& context, View<const float, 2> x, const Tensor& gain, float eps,
                         View<const float, 2> out_gradient, View<float, 2> x_gradient,
                         Tensor* gain_gradient, Tensor* bias_gradient) {
  const int64_t m = x.rows, n = x.columns;
  check(x, gain);
  check_same(x, out_gradient);
  check_same(x, x_gradient);
  const NormKernel& kernel = choose_norm_kernel(context.isa);
  const Workspace::Mark mark(context.workspace);
  auto* const moments = context.workspace.take<NormMoments>(m);
  for_each_row(context, m, n, [&](int64_t r) {
    moments[r] = kernel->moments(x.row(r), eps, n);
    kernel->layer_norm_backward(x.row(r), gain.as<float>(), moments[r], out_gradient.row(r), n,
                                x_gradient.row(r));
  });
  gain_backward(context, kernel, x, moments, out_gradient, gain_gradient);
  if (bias_gradient != nullptr) bias_backward(context, out_gradient, *bias_gradient);
}

}  // namespace farthing::ops
