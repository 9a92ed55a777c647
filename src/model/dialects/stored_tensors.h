// Tensors of a Hugging Face directory by name, and what is said of those that are not as they
// should be.
#pragma once

#include <initializer_list>
#include <string>

#include "io/huggingface.h"
#include "model/model.h"

namespace farthing {

Error tensor_shape_error(const HuggingFaceDirectory& directory, const std::string& name,
                         const Shape& got, const Shape& wanted);
Error tensor_type_error(const HuggingFaceDirectory& directory, const std::string& name, DType got,
                        const std::string& wanted);

// A tensor of one of the types, and of the shape: else an error that names it.
Result<Tensor> tensor_of(const HuggingFaceDirectory& directory, const std::string& name,
                         std::initializer_list<DType> types, const Shape& shape);

// The same where dimensions of 1 may be left out or added; the tensor has the shape that is asked
// for. So a scale may be a scalar, [1] or [1, 1], and those of rows [n] or [n, 1].
Result<Tensor> loose_tensor_of(const HuggingFaceDirectory& directory, const std::string& name,
                               std::initializer_list<DType> types, const Shape& shape);

// The one number of a tensor, which must be finite and above 0: a scale.
Result<float> scale_of(const HuggingFaceDirectory& directory, const std::string& name);

// The static scale of a linear's inputs, and its type.
Result<> read_input_scale(const HuggingFaceDirectory& directory, const std::string& name,
                          StoredLinear& to);

// What is said where the configuration leaves a module plain, and `tensor` belongs to a quantized
// one.
Error left_out_error(const std::string& where, const std::string& reason, const std::string& module,
                     const std::string& tensor);

// The name of a linear's module: "model.layers.0.mlp.down_proj" of "...down_proj.weight".
std::string module_of(const std::string& name);

}  // namespace farthing
