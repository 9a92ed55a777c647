// Source: the tensors that llama.cpp multiplies a product by (llama-model.cpp, build_lora_mm).
#include "model/gguf/tensor_scales.h"

#include <fmt/format.h>

#include "formats/recode.h"
#include "formats/static_input.h"

namespace farthing {
namespace {

std::string with_ending(const std::string& tensor, std::string_view ending) {
  constexpr std::string_view weight = "weight";
  CHECK(tensor.ends_with(weight));
  return tensor.substr(0, tensor.size() - weight.size()) + std::string(ending);
}

Error scale_error(const GgufFile& file, const std::string& name, std::string got,
                  std::string wanted) {
  return {.what = "a scale of a tensor makes no sense",
          .where = fmt::format("{}, tensor {}", file.where(), name),
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy = "convert the model again with a current converter"};
}

// One number, or one for each expert; nothing where there is no such tensor.
Result<std::optional<float>> scale_in(const GgufFile& file, const std::string& name,
                                      const GgufPlace& place) {
  if (file.find(name) == nullptr) return std::nullopt;
  const Tensor values = to_f32(TRY(file.plain(name)));
  const int64_t at = place.expert.value_or(0), count = values.shape().elements();
  const bool fits = values.shape().rank() == 1 && (place.expert ? at < count : count == 1);
  if (!fits)
    return fail(scale_error(file, name, values.shape().text(),
                            place.expert ? "a number for each expert" : "one number"));
  const float scale = values.as<float>()[at];
  if (!(scale > 0 && is_finite(scale)))
    return fail(scale_error(file, name, fmt::format("{}", scale), "a number above 0"));
  return scale;
}

}  // namespace

std::string gguf_scale_name(const std::string& tensor) { return with_ending(tensor, "scale"); }
std::string gguf_input_scale_name(const std::string& tensor) {
  return with_ending(tensor, "input_scale");
}

bool has_tensor_scale(const Format& format) {
  for (const PlaneSpec& plane : format.planes(1, format.block, DType::f16))
    if (plane.name == "tensor_scale") return true;
  return false;
}

float take_tensor_scale(QuantizedTensor& weight) {
  Tensor& plane = weight.planes.back();
  const float scale = plane.as<float>()[0];
  plane = Tensor(DType::f32, {1});
  plane.as<float>()[0] = 1;
  return scale;
}

Result<> apply_tensor_scales(const GgufFile& file, const GgufPlace& place, StoredLinear& linear) {
  if (!place.name.ends_with("weight")) return {};
  const std::string name = gguf_scale_name(place.name);
  const float scale = TRY(scale_in(file, name, place)).value_or(1);
  const float input = TRY(scale_in(file, gguf_input_scale_name(place.name), place)).value_or(1);
  const bool nvfp4 = linear.weight.format->name == "gguf_nvfp4";
  if (scale != 1 && !nvfp4)
    return fail(scale_error(file, name,
                            fmt::format("{} of a tensor in {}", scale, linear.weight.format->name),
                            "a tensor in gguf_nvfp4"));
  if (scale != 1) {
    linear.weight = TRY(recode(linear.weight, *find_format("nvfp4")));
    linear.weight.planes.back().as<float>()[0] = scale;
  }
  if (input == 1 || !nvfp4) return {};
  linear.activations = Activations::nvfp4;
  linear.input.scale = input;
  return {};
}

}  // namespace farthing
