// Integer weights in the orders of files: the inverse of dialects/integer_weights.h.
#pragma once

#include <string_view>

#include "formats/format.h"

namespace farthing {

// The format of this program's own layout (planes codes, scales and, with zero points, zeros) that
// holds integers of such a format: itself, or of a GGUF block type the one of the same grid; null
// where it is no integer grid.
const Format* integer_layout(const Format& format);
// The same with zero points.
const Format* with_zero_points(const Format& layout);

// Of a weight whose format is such a layout: codes in an order of formats/packing.
Result<Tensor> packed_codes(const QuantizedTensor& weight, std::string_view packing);
// Its codes, or its zero points (the middle where it has none), u8 [n, k] or [n, groups].
Tensor plain_codes(const QuantizedTensor& weight);
Tensor plain_zeros(const QuantizedTensor& weight);
// Packed as I32, of so many bits.
Result<Tensor> packed_zeros(const QuantizedTensor& weight, std::string_view packing);

// Its scales, [n, groups] also where one stands for all.
inline const Tensor& scales_of(const QuantizedTensor& weight) { return weight.planes[1]; }

}  // namespace farthing
