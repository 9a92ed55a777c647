// Integer weights in the orders of files: the inverse of dialects/integer_weights.h.
#pragma once

#include <string_view>

#include "formats/format.h"

namespace farthing {

// The format of this program's own layout (planes codes, scales and, with zero points, zeros) that
// holds integers of such a format: itself, or of a GGUF block type the one of the same grid; null
// where it is no integer grid.
const Format* integer_layout(const Format& format);
// Of 5 to 7 bits the same of 8, for dialects without these widths; null where there is none, and of
// fewer bits.
const Format* layout_of_bytes(const Format& layout);
// The same with zero points; null where there is none.
const Format* with_zero_points(const Format& layout);

// The weight with runs of inputs as its groups: itself, or of one whose inputs name their groups
// its codes, scales and zeros.
QuantizedTensor in_runs(const QuantizedTensor& weight);
// Whether it has zero points that are all the middle, as if it had none.
bool has_middle_zeros(const QuantizedTensor& weight);

// Unsigned codes u8 [n, k] in an order of formats/packing.
Result<Tensor> packed(const Tensor& codes, std::string_view packing, int bits);

// Of a weight whose format is such a layout: codes in an order of formats/packing. `pool` as in
// DialectWriter.
Result<Tensor> packed_codes(const QuantizedTensor& weight, std::string_view packing,
                            ThreadPool* pool);
// Its codes, or its zero points (the middle where it has none), u8 [n, k] or [n, groups].
Tensor plain_codes(const QuantizedTensor& weight);
Tensor plain_zeros(const QuantizedTensor& weight);
// Packed as I32, of so many bits.
Result<Tensor> packed_zeros(const QuantizedTensor& weight, std::string_view packing);

// Its scales, [n, groups] also where one stands for all.
inline const Tensor& scales_of(const QuantizedTensor& weight) { return weight.planes[1]; }

}  // namespace farthing
