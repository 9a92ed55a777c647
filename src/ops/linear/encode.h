// Encoding a weight matrix into a number format: what quantizers and the trainer share.
#pragma once

#include "formats/format.h"
#include "tensor/context.h"

namespace farthing::ops {

// Encodes weight [n, k] into the planes of `out`; scales by `rule`, round to nearest. The
// bytes do not depend on the threads.
EncodeReport encode_weight(Context& context, View<const float, 2> weight, ScaleRule rule,
                           QuantizedTensor& out);

// The same with given scales [n, groups] (formats with Format::encode_with_scales only); the rule
// says which codes there are.
EncodeReport encode_weight_with_scales(Context& context, View<const float, 2> weight,
                                       ScaleRule rule, View<const float, 2> scales,
                                       QuantizedTensor& out);

}  // namespace farthing::ops
