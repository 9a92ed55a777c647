// The linear operator y = x W^T with a weight in any format: packing, the threaded product, and
// its backward pass.
#pragma once

#include <string>

#include "formats/format.h"
#include "formats/static_input.h"
#include "kernels/matmul/matmul.h"
#include "tensor/context.h"

namespace farthing {

// A weight laid out for the kernel that will read it.
struct PackedWeight {
  Scheme scheme;
  StaticInput input;  // where the scheme's activations have parameters
  const MatmulKernel* kernel = nullptr;
  // Not packed yet: `kernel` reads the weight as it is stored; finish_packing packs it for this
  // one.
  const MatmulKernel* packs_for = nullptr;
  QuantizedTensor
      stored;     // its planes are dropped unless the kernel reads them; format, n and k stay
  Tensor packed;  // u8
  // f32 [panels, columns, 16]: of the linear's outlier columns, where the kernel multiplies codes.
  Tensor outliers;

  int64_t n() const { return stored.n; }
  int64_t k() const { return stored.k; }
  InputRounding rounding() const { return {scheme.activations, input}; }
  // Bytes that a product reads.
  int64_t bytes() const {
    return (packed ? packed.bytes() : stored.bytes()) + (outliers ? outliers.bytes() : 0);
  }
};

namespace ops {

// Packs for the kernel that context.isa chooses. `stored` must fit the scheme's format.
PackedWeight pack_weight(Context& context, QuantizedTensor stored, const InputRounding& input);

// The same without the copy where the weight is plain floats: until finish_packing a product reads
// them as they are stored (mapped from a file, say), which gives the same bits, one token slower.
PackedWeight pack_weight_later(Context& context, QuantizedTensor stored,
                               const InputRounding& input);
// The same product with the same bits, for many rows: the weight is kept as f32 (4 n k bytes) where
// its kernel would decode it again for each 64 rows.
PackedWeight pack_weight_decoded(Context& context, const QuantizedTensor& stored,
                                 const InputRounding& input);
// Nothing to do for a weight that is packed. Not while another thread multiplies with it.
void finish_packing(Context& context, PackedWeight& weight);

// The same for a kernel of the caller's choice (tests and benchmarks), which reads what the
// activations are rounded to.
PackedWeight pack_weight_for(Context& context, QuantizedTensor stored, const InputRounding& input,
                             const MatmulKernel& kernel);

// y[i] = x w[i]^T for several weights that share the input x [m, k]; y[i] is [m, w[i]->n()]. x is
// rounded once for each way of rounding among the weights.
// Where an activation format leaves columns as they are, the int8 product is of all others, and
// these are added behind it (ops/linear/outliers.h).
// Level: that of the kernels. One pass of the threads over all outputs.
struct LinearOutput {
  const PackedWeight* weight;
  View<float, 2> y;
};
void linear_forward(Context& context, View<const float, 2> x,
                    std::span<const LinearOutput> outputs);

inline void linear_forward(Context& context, View<const float, 2> x, const PackedWeight& weight,
                           View<float, 2> y) {
  const LinearOutput output{&weight, y};
  linear_forward(context, x, {&output, 1});
}

// One of the weights that shared the input x.
struct LinearGradient {
  const QuantizedTensor* weight;    // [n, k], what the forward pass multiplied with
  InputRounding input;              // what it rounded x to
  View<const float, 2> y_gradient;  // [m, n]
  View<float, 2> weight_gradient;   // [n, k]; rows == 0 where it is not wanted
  // Where a static format clipped x (range_of), its gradient from this weight is 0.
  bool clips_input = false;
};

// x_gradient [m, k] += y_gradient W and weight_gradient += y_gradient^T x for each weight: the
// straight-through estimator, W and x being what the forward pass multiplied with: the decoded
// weight, and the input as the activation format rounded it. x_gradient.rows == 0: not wanted.
// fixed_order; both products are the f32 matrix product's (kernels/matmul).
void linear_backward(Context& context, View<const float, 2> x,
                     std::span<const LinearGradient> gradients, View<float, 2> x_gradient);

}  // namespace ops
}  // namespace farthing
