// Small floats of other programs as planes of the registered formats. Elements and scales are views
// of the file.
#pragma once

#include <string>

#include "formats/format.h"
#include "io/huggingface.h"

namespace farthing {

// The tensors of a weight.
struct SmallFloatTensors {
  std::string elements, scales;
};

// FP8 with f32, f16 or bf16 scales: F8_E4M3 [n, k], and scales of the format's shape, or E8M0 ones,
// which become f32, exactly.
Result<QuantizedTensor> scaled_float_weight(const HuggingFaceDirectory& directory,
                                            const Format& format, const SmallFloatTensors& tensors,
                                            int64_t n, int64_t k);

// mxfp8, mxfp6_*, mxfp4: elements F8_E4M3 or U8, scales F8_E8M0 or U8 [n, k / 32].
Result<QuantizedTensor> micro_scaled_weight(const HuggingFaceDirectory& directory,
                                            const Format& format, const SmallFloatTensors& tensors,
                                            int64_t n, int64_t k);

// nvfp4: elements U8 [n, k / 2], scales F8_E4M3 [n, k / 16], and the tensor's scale, which
// multiplies.
Result<QuantizedTensor> nvfp4_weight(const HuggingFaceDirectory& directory,
                                     const SmallFloatTensors& tensors, float tensor_scale,
                                     int64_t n, int64_t k);

}  // namespace farthing
