// Scales in a plane of their own, f16, bf16 or f32: loaded exactly, stored rounded to nearest even.
#pragma once

#include "tensor/tensor.h"

namespace farthing {

// A scale of a plane.
inline float load_scale(const Tensor& plane, int64_t i) {
  switch (plane.dtype()) {
    case DType::f16:
      return f32_from_f16(plane.as<uint16_t>()[i]);
    case DType::bf16:
      return f32_from_bf16(plane.as<uint16_t>()[i]);
    default:
      return plane.as<float>()[i];
  }
}

// Stores `scale` rounded to the plane's type and returns the rounded value.
inline float store_scale(Tensor& plane, int64_t i, float scale) {
  switch (plane.dtype()) {
    case DType::f16:
      plane.as<uint16_t>()[i] = f16_from_f32(scale);
      break;
    case DType::bf16:
      plane.as<uint16_t>()[i] = bf16_from_f32(scale);
      break;
    default:
      plane.as<float>()[i] = scale;
  }
  return load_scale(plane, i);
}

}  // namespace farthing
