// What quantizing did to one linear: to its weights, and to its outputs.
#pragma once

#include "formats/format.h"
#include "tensor/context.h"

namespace farthing {

// sum (w' - w)^2 / sum w^2, added row by row in double: the same for any number of threads.
double relative_squared_error(Context& context, View<const float, 2> weight,
                              const QuantizedTensor& q);

// The same of the outputs, for inputs with this Gram matrix [k, k]: tr(E G E^T) / tr(W G W^T), E =
// W' - W. What it is made with must outlive it.
class OutputError {
 public:
  OutputError(Context& context, View<const float, 2> weight, View<const float, 2> gram);
  double of(const QuantizedTensor& q);
  // Gives back a copy of the Gram matrix, until of() makes it again.
  void rest() { panels_ = Tensor(); }

 private:
  void pack();
  // Sums over rows n of dot(x, x G), where fill(begin, end, x) gives rows of x.
  template <class Fill>
  double squares(int64_t n, const Fill& fill) const;

  Context& context_;
  View<const float, 2> weight_, gram_;
  Tensor panels_;  // f32, of the Gram matrix; none while it rests
  double outputs_ = 0;
};

}  // namespace farthing
