// Element-wise operators: a kernel call for each row.
#include "ops/elementwise.h"

#include <algorithm>

#include "kernels/elementwise/elementwise.h"
#include "ops/rows.h"

namespace farthing::ops {

namespace {
bool same_shape(View<const float, 2> a, View<const float, 2> b) {
  return a.rows == b.rows && a.columns == b.columns;
}
}  // namespace

void add_forward(Context& context, View<float, 2> x, View<const float, 2> y) {
  CHECK(same_shape(x, y));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, x.rows, x.columns,
               [&](int64_t r) { kernel->add(x.row(r), y.row(r), x.columns, x.row(r)); });
}

void swiglu_forward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                    View<float, 2> out) {
  CHECK(same_shape(gate, up) && same_shape(gate, out));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, gate.rows, gate.columns, [&](int64_t r) {
    kernel->swiglu(gate.row(r), up.row(r), gate.columns, out.row(r));
  });
}

void swiglu_backward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                     View<const float, 2> out_gradient, View<float, 2> gate_gradient,
                     View<float, 2> up_gradient) {
  CHECK(same_shape(gate, up) && same_shape(gate, out_gradient));
  CHECK(same_shape(gate, gate_gradient) && same_shape(gate, up_gradient));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, gate.rows, gate.columns, [&](int64_t r) {
    kernel->swiglu_backward(gate.row(r), up.row(r), out_gradient.row(r), gate.columns,
                            gate_gradient.row(r), up_gradient.row(r));
  });
}

void clamped_swiglu_forward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                            ClampedSwiglu options, View<float, 2> out) {
  CHECK(same_shape(gate, up) && same_shape(gate, out));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, gate.rows, gate.columns, [&](int64_t r) {
    kernel->clamped_swiglu(gate.row(r), up.row(r), options.alpha, options.limit, gate.columns,
                           out.row(r));
  });
}

void clamped_swiglu_backward(Context& context, View<const float, 2> gate, View<const float, 2> up,
                             ClampedSwiglu options, View<const float, 2> out_gradient,
                             View<float, 2> gate_gradient, View<float, 2> up_gradient) {
  CHECK(same_shape(gate, up) && same_shape(gate, out_gradient));
  CHECK(same_shape(gate, gate_gradient) && same_shape(gate, up_gradient));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, gate.rows, gate.columns, [&](int64_t r) {
    kernel->clamped_swiglu_backward(gate.row(r), up.row(r), options.alpha, options.limit,
                                    out_gradient.row(r), gate.columns, gate_gradient.row(r),
                                    up_gradient.row(r));
  });
}

void bias_forward(Context& context, View<float, 2> x, const Tensor& bias) {
  CHECK(bias.dtype() == DType::f32 && bias.shape() == Shape({x.columns}));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, x.rows, x.columns,
               [&](int64_t r) { kernel->add(x.row(r), bias.as<float>(), x.columns, x.row(r)); });
}

void bias_backward(Context& context, View<const float, 2> out_gradient, Tensor& bias_gradient) {
  const int64_t m = out_gradient.rows, n = out_gradient.columns;
  CHECK(bias_gradient.dtype() == DType::f32 && bias_gradient.shape() == Shape({n}));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  float* const sums = bias_gradient.as<float>();
  constexpr int64_t strip = 64;  // columns
  for_each_row(context, (n + strip - 1) / strip, strip * m, [&](int64_t s) {
    const int64_t begin = s * strip;
    kernel->column_sums(out_gradient.data + begin, out_gradient.stride, m,
                        std::min(strip, n - begin), sums + begin);
  });
}

void activation_forward(Context& context, ActivationFunction f, View<const float, 2> x,
                        View<float, 2> out) {
  CHECK(same_shape(x, out));
  const auto& kernel = choose_activation_function_kernel(context.isa);
  for_each_row(context, x.rows, x.columns,
               [&](int64_t r) { kernel->apply(f, x.row(r), x.columns, out.row(r)); });
}

void activation_backward(Context& context, ActivationFunction f, View<const float, 2> x,
                         View<const float, 2> out_gradient, View<float, 2> x_gradient) {
  CHECK(same_shape(x, out_gradient) && same_shape(x, x_gradient));
  const auto& kernel = choose_activation_function_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    kernel->backward(f, x.row(r), out_gradient.row(r), x.columns, x_gradient.row(r));
  });
}

void multiply_forward(Context& context, View<const float, 2> a, View<const float, 2> b,
                      View<float, 2> out) {
  CHECK(same_shape(a, b) && same_shape(a, out));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, a.rows, a.columns,
               [&](int64_t r) { kernel->multiply(a.row(r), b.row(r), a.columns, out.row(r)); });
}

void add_products(Context& context, View<const float, 2> a, View<const float, 2> b,
                  View<float, 2> sums) {
  CHECK(same_shape(a, b) && same_shape(a, sums));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, a.rows, a.columns, [&](int64_t r) {
    kernel->add_products(a.row(r), b.row(r), a.columns, sums.row(r));
  });
}

void scale_forward(Context& context, View<float, 2> x, float factor) {
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, x.rows, x.columns,
               [&](int64_t r) { kernel->scale(x.row(r), factor, x.columns, x.row(r)); });
}

void softcap_forward(Context& context, View<const float, 2> x, float cap, View<float, 2> out) {
  CHECK(same_shape(x, out));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, x.rows, x.columns,
               [&](int64_t r) { kernel->softcap(x.row(r), cap, x.columns, out.row(r)); });
}

void softcap_backward(Context& context, View<const float, 2> x, float cap,
                      View<const float, 2> out_gradient, View<float, 2> x_gradient) {
  CHECK(same_shape(x, out_gradient) && same_shape(x, x_gradient));
  const ElementwiseKernel& kernel = choose_elementwise_kernel(context.isa);
  for_each_row(context, x.rows, x.columns, [&](int64_t r) {
    kernel->softcap_backward(x.row(r), cap, out_gradient.row(r), x.columns, x_gradient.row(r));
  });
}

}  // namespace farthing::ops
