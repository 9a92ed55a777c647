// recode: a stored matrix in another format, without a rounding.
#pragma once

#include <optional>

#include "formats/format.h"

namespace farthing {

// The same values in another format: decoded they are equal numbers (a zero may lose its sign).
// What is moved are codes, scales and zeros, between
//   whole numbers under a scale       the integer grids of any bits and groups, q4_0, q4_1, q5_0,
//                                     q5_1 and q8_0
//   E2M1                              mxfp4 and gguf_mxfp4; nvfp4, nvfp4_46 and gguf_nvfp4
// and any format becomes a plain one that holds all of its values. A format becomes itself.
// Scales are stored as `scale_dtype`; without it as `from` has them where `to` may, else as `to`
// has them by itself.
// Fails where no such way exists, and where `to` cannot hold a group, with the first that was met.
Result<QuantizedTensor> recode(const QuantizedTensor& from, const Format& to, ThreadPool& pool,
                               std::optional<DType> scale_dtype = std::nullopt);
Result<QuantizedTensor> recode(const QuantizedTensor& from, const Format& to,
                               std::optional<DType> scale_dtype = std::nullopt);

// Whether there is a way for matrices with k inputs, of whose scales and zeros some may still not
// fit.
bool may_recode(const Format& from, const Format& to, int64_t k);

}  // namespace farthing
