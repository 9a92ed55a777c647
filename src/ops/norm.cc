// RMS norm: a kernel call for each row.
#include "ops/norm.h"

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

}  // namespace farthing::ops
