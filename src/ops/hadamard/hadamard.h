// The Hadamard transform of rows: H x / sqrt(n), a rotation that spreads each element over all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/context.h"

namespace farthing::ops {

// H = S (x) W: W is Sylvester's matrix of a power of two, `width`; S one of sign_matrices.h, or 1.
// So element j of run i goes to j of others, and the first column of H is +1.
class HadamardMatrix {
 public:
  // Null where no matrix of size n is known here. The same object for a size each time, which
  // stays; from any thread.
  static const HadamardMatrix* find(int64_t n);

  int64_t size() const { return order_ * width_; }
  int64_t order() const { return order_; }
  int64_t width() const { return width_; }
  // [order, order], row by row; of the transposed matrix.
  const float* signs() const { return signs_.data(); }
  const float* transposed_signs() const { return transposed_.data(); }

  // x = H x / sqrt(n), and x = H' x / sqrt(n), in double and with a fixed order.
  void transform(std::span<double> x) const { transform(x, signs_); }
  void transform_back(std::span<double> x) const { transform(x, transposed_); }

 private:
  HadamardMatrix(std::vector<float> signs, int64_t order, int64_t width);
  void transform(std::span<double> x, const std::vector<float>& signs) const;

  int64_t order_, width_;
  std::vector<float> signs_, transposed_;
};

// For errors: which sizes there are.
std::string hadamard_sizes();

// Each row of x [m, h.size()] becomes H x / sqrt(n), in place. fixed_order, as the function below;
// kernels/hadamard/hadamard.h has the order.
void hadamard_forward(Context& context, const HadamardMatrix& h, View<float, 2> x);

// Turns the gradient of hadamard_forward's result into that of its input, in place: H' gradient /
// sqrt(n).
void hadamard_backward(Context& context, const HadamardMatrix& h, View<float, 2> gradient);

}  // namespace farthing::ops
