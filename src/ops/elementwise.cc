// Element-wise operators: a kernel call for each row.
#include "ops/elementwise.h"

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

}  // namespace farthing::ops
