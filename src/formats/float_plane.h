// f32, f16, bf16: the weight itself in one plane [n, k], without scales.
//
// Layout: IEEE 754 binary32 or binary16, or the upper half of binary32 (bfloat16), row-major.
// Value:  the number itself; encoding rounds to nearest even. A finite weight beyond the type's
// range is refused.
#pragma once

#include "formats/format.h"

namespace farthing {

template <DType dtype>
struct FloatPlane {
  static_assert(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16);
  using Bits = std::conditional_t<dtype == DType::f32, float, uint16_t>;

  static float decode(Bits bits) {
    if constexpr (dtype == DType::f16) return f32_from_f16(bits);
    if constexpr (dtype == DType::bf16) return f32_from_bf16(bits);
    return bits;
  }
  static Bits encode(float value) {
    if constexpr (dtype == DType::f16) return f16_from_f32(value);
    if constexpr (dtype == DType::bf16) return bf16_from_f32(value);
    return value;
  }

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    return {{"weight", dtype, {n, k}}};
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule) {
    EncodeReport report;
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      Bits* row = q.planes[0].as<Bits>() + n * q.k;
      for (int64_t k = tile.k0; k < tile.k1; ++k) {
        const float value = values[k - tile.k0];
        row[k] = encode(value);
        const float stored = decode(row[k]);
        if (value - value != 0) {
          ++report.nonfinite;
        } else if (stored - stored != 0) {
          ++report.overflowed_scales;
        }
      }
    }
    return report;
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      const Bits* row = q.planes[0].as<Bits>() + n * q.k;
      for (int64_t k = tile.k0; k < tile.k1; ++k) values[k - tile.k0] = decode(row[k]);
    }
  }

  static Format format(int gguf_type) {
    Format f;
    f.layout = "one plane of floats, row-major";
    f.value = dtype == DType::f32   ? "+-3.4e38, 24 bits of precision"
              : dtype == DType::f16 ? "+-65504, 11 bits of precision, least 2^-24"
                                    : "+-3.4e38, 8 bits of precision";
    f.source = dtype == DType::bf16 ? "upper half of IEEE 754 binary32" : "IEEE 754-2019";
    f.plain = dtype;
    f.gguf_type = gguf_type;
    f.planes = planes;
    f.encode_tile = encode_tile;
    f.decode_tile = decode_tile;
    return f;
  }
};

}  // namespace farthing
