// Scales of whole tensors, which GGUF files of NVFP4 hold beside the blocks: "blk.0.ffn_up.scale",
// and "blk.0.ffn_up.input_scale" of the activations.
#pragma once

#include <string>

#include "io/gguf/gguf.h"
#include "model/gguf/names.h"
#include "model/model.h"

namespace farthing {

// "blk.0.ffn_up.weight" -> "blk.0.ffn_up.scale"
std::string gguf_scale_name(const std::string& tensor);
std::string gguf_input_scale_name(const std::string& tensor);

// Makes a linear in GGUF's NVFP4 the one that it is under the scales that the file has for it, if
// any; an input scale of 1 stands for none. Fails on a scale of another type's tensor.
Result<> apply_tensor_scales(const GgufFile& file, const GgufPlace& place, StoredLinear& linear);

// Whether matrices have a scale of the whole, in a plane of its own.
bool has_tensor_scale(const Format& format);
// That scale; the matrix is left with 1.
float take_tensor_scale(QuantizedTensor& weight);

}  // namespace farthing
