// Elements and scales of small floats as planes.
#include "model/dialects/small_float_weights.h"

#include "base/rehearsal.h"
#include "formats/small_floats/micro_scaled.h"
#include "model/dialects/stored_tensors.h"

namespace farthing {
namespace {

Tensor as_f32(const Tensor& e8m0) {
  Tensor out(DType::f32, e8m0.shape());
  if (rehearsing()) return out;
  for (int64_t i = 0; i < e8m0.shape().elements(); ++i)
    out.as<float>()[i] = f32_from_e8m0(e8m0.as<uint8_t>()[i]);
  return out;
}

// A tensor of bytes as the plane, whatever one-byte type the file gives it.
Result<Tensor> bytes_as(const HuggingFaceDirectory& directory, const std::string& name,
                        const PlaneSpec& plane) {
  const Tensor tensor =
      TRY(tensor_of(directory, name, {plane.dtype, DType::u8, DType::i8}, plane.shape));
  return tensor.viewed_as(plane.dtype, plane.shape);
}

}  // namespace

Result<QuantizedTensor> scaled_float_weight(const HuggingFaceDirectory& directory,
                                            const Format& format, const SmallFloatTensors& tensors,
                                            int64_t n, int64_t k) {
  const Shape of_scales = format.planes(n, k, DType::f32)[1].shape;
  Tensor elements = TRY(tensor_of(directory, tensors.elements, {DType::f8_e4m3}, {n, k}));
  Tensor scales = TRY(loose_tensor_of(
      directory, tensors.scales, {DType::f32, DType::bf16, DType::f16, DType::f8_e8m0}, of_scales));
  if (scales.dtype() == DType::f8_e8m0) scales = as_f32(scales);
  const DType type = scales.dtype();
  return QuantizedTensor{&format, n, k, type, {std::move(elements), std::move(scales)}};
}

Result<QuantizedTensor> micro_scaled_weight(const HuggingFaceDirectory& directory,
                                            const Format& format, const SmallFloatTensors& tensors,
                                            int64_t n, int64_t k) {
  const auto planes = format.planes(n, k, format.scale_dtype);
  Tensor elements = TRY(bytes_as(directory, tensors.elements, planes[0]));
  Tensor scales = TRY(bytes_as(directory, tensors.scales, planes[1]));
  return QuantizedTensor{
      &format, n, k, format.scale_dtype, {std::move(elements), std::move(scales)}};
}

Result<QuantizedTensor> nvfp4_weight(const HuggingFaceDirectory& directory,
                                     const SmallFloatTensors& tensors, float tensor_scale,
                                     int64_t n, int64_t k) {
  const Format& format = *find_format("nvfp4");
  const auto planes = format.planes(n, k, format.scale_dtype);
  Tensor elements = TRY(bytes_as(directory, tensors.elements, planes[0]));
  Tensor scales = TRY(bytes_as(directory, tensors.scales, planes[1]));
  Tensor of_tensor(DType::f32, {1});
  of_tensor.as<float>()[0] = tensor_scale;
  return QuantizedTensor{&format,
                         n,
                         k,
                         format.scale_dtype,
                         {std::move(elements), std::move(scales), std::move(of_tensor)}};
}

}  // namespace farthing
