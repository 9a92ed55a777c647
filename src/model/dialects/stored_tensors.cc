// Checks of tensors that a directory holds.
#include "model/dialects/stored_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "formats/scale_plane.h"

namespace farthing {

Error tensor_shape_error(const HuggingFaceDirectory& directory, const std::string& name,
                         const Shape& got, const Shape& wanted) {
  return {
      .what = "a tensor has the wrong shape",
      .where = fmt::format("{}, tensor {}", directory.path().string(), name),
      .got = got.text(),
      .wanted = wanted.text(),
      .remedy = "config.json and the weights are of different models, or one of them is damaged"};
}

Error tensor_type_error(const HuggingFaceDirectory& directory, const std::string& name, DType got,
                        const std::string& wanted) {
  return {.what = "a tensor of a quantized matrix has the wrong element type",
          .where = fmt::format("{}, tensor {}", directory.path().string(), name),
          .got = std::string(dtype_name(got)),
          .wanted = wanted,
          .remedy = "config.json and the weights contradict each other, or the file is damaged"};
}

namespace {

std::vector<int64_t> without_ones(const Shape& shape) {
  std::vector<int64_t> out;
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] != 1) out.push_back(shape[i]);
  return out;
}

Result<Tensor> typed_tensor(const HuggingFaceDirectory& directory, const std::string& name,
                            std::initializer_list<DType> types) {
  Tensor tensor = TRY(directory.tensor(name));
  if (std::ranges::find(types, tensor.dtype()) == types.end()) {
    std::string wanted;
    for (const DType type : types)
      wanted += (wanted.empty() ? "" : " or ") + std::string(dtype_name(type));
    return fail(tensor_type_error(directory, name, tensor.dtype(), wanted));
  }
  return tensor;
}

}  // namespace

Result<Tensor> tensor_of(const HuggingFaceDirectory& directory, const std::string& name,
                         std::initializer_list<DType> types, const Shape& shape) {
  Tensor tensor = TRY(typed_tensor(directory, name, types));
  if (tensor.shape() != shape)
    return fail(tensor_shape_error(directory, name, tensor.shape(), shape));
  return tensor;
}

Result<Tensor> loose_tensor_of(const HuggingFaceDirectory& directory, const std::string& name,
                               std::initializer_list<DType> types, const Shape& shape) {
  Tensor tensor = TRY(typed_tensor(directory, name, types));
  if (without_ones(tensor.shape()) != without_ones(shape))
    return fail(tensor_shape_error(directory, name, tensor.shape(), shape));
  return tensor.reshaped(shape);
}

Result<float> scale_of(const HuggingFaceDirectory& directory, const std::string& name) {
  const Tensor tensor =
      TRY(loose_tensor_of(directory, name, {DType::f32, DType::bf16, DType::f16}, {1}));
  const float scale = load_scale(tensor, 0);
  if (std::isfinite(scale) && scale > 0) return scale;
  return fail({.what = "a scale is none",
               .where = fmt::format("{}, tensor {}", directory.path().string(), name),
               .got = fmt::format("{}", scale),
               .wanted = "a finite number above 0",
               .remedy = "the file is damaged: fetch it again"});
}

Result<> read_input_scale(const HuggingFaceDirectory& directory, const std::string& name,
                          StoredLinear& to) {
  to.input.scale = TRY(scale_of(directory, name));
  to.form.input_scale = directory.find(name)->dtype;
  return {};
}

Error left_out_error(const std::string& where, const std::string& reason, const std::string& module,
                     const std::string& tensor) {
  return {.what = "the configuration leaves out a module that is quantized",
          .where = where,
          .got = fmt::format("{}, but there is a tensor {}", reason, tensor),
          .wanted = fmt::format("a plain tensor {}.weight", module),
          .remedy =
              "config.json and the weights are of different models, or the list of what is "
              "left out is wrong"};
}

std::string module_of(const std::string& name) {
  return name.ends_with(".weight") ? name.substr(0, name.size() - 7) : name;
}

}  // namespace farthing
