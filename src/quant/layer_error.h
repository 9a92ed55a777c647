// What quantizing did to one linear: to its weights, and to its outputs.
#pragma once

#include "formats/format.h"
#include "tensor/context.h"

namespace farthing {

// sum (w' - w)^2 / sum w^2, added row by row in double: the same for any number of threads.
double relative_squared_error(Context& context, View<const float, 2> weight,
                              const QuantizedTensor& q);

// The same of the outputs for inputs with this Gram matrix [k, k]: tr(E G E^T) / tr(W G W^T), E =
// W'
// - W.
double relative_output_error(Context& context, View<const float, 2> weight,
                             const QuantizedTensor& q, View<const float, 2> gram);

}  // namespace farthing
