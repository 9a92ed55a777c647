// fp8_*_tensor, _row, _gG, _blockB: small floats of 8 bits with a scale for each block of `rows` x
// `columns` weights; 0: all rows, all columns.
//
// Layout: plane codes, the element's type [n, k], row-major.
//         plane scales, f32 (or f16, bf16 as a checkpoint brings it) [ceil(n / rows),
//         ceil(k / columns)]; the last block may be smaller.
// Value:  scale * element, one rounding to f32.
// Rules:  the scale is amax / (the element's largest value), rounded to its stored type first; a
//         code is the element nearest to f32(w / scale), ties to even, saturating. A block of zeros
//         has scale 1; so has a block whose scale would round to 0 (it is flushed to zeros and
//         counted).
// Bits:   8 a weight, and a scale's bits over rows * columns.
// Source: per-channel and per-tensor FP8 of compressed-tensors and vLLM (<1, 0>, <0, 0>); 128 x 128
//         blocks of DeepSeek-V3, arXiv 2412.19437 (<128, 128>).
#pragma once

#include "base/check.h"
#include "formats/format.h"
#include "formats/scale_plane.h"
#include "formats/small_floats/element_rows.h"
#include "formats/tensor_amax.h"

namespace farthing {

template <class Element, int64_t rows, int64_t columns>
struct ScaledFloat {
  static_assert(Element::bits == 8);
  static constexpr bool of_tensor = rows == 0 && columns == 0;
  static_assert(of_tensor || rows > 0);
  enum { codes_plane, scales_plane };

  static int64_t block_rows(const QuantizedTensor& q) { return rows == 0 ? q.n : rows; }
  static int64_t block_columns(const QuantizedTensor& q) { return columns == 0 ? q.k : columns; }
  static int64_t blocks(int64_t size, int64_t block) {
    return block == 0 ? 1 : (size + block - 1) / block;
  }

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType scale_dtype) {
    return {{"codes", Element::dtype, {n, k}},
            {"scales", scale_dtype, {blocks(n, rows), blocks(k, columns)}}};
  }

  static int64_t scale_at(const QuantizedTensor& q, int64_t n, int64_t k) {
    return n / block_rows(q) * q.planes[scales_plane].shape()[1] + k / block_columns(q);
  }

  // Stores the scale of a block, or counts why there is none.
  static void put_scale(QuantizedTensor& q, int64_t at, float amax, EncodeReport& report) {
    Tensor& scales = q.planes[scales_plane];
    const float scale = store_scale(scales, at, amax / Element::largest);
    if (scale - scale != 0) report.overflowed_scales += 1;
    if (scale != 0) return;
    (amax == 0 ? report.zero_groups : report.flushed_groups) += 1;
    store_scale(scales, at, 1.0f);
  }

  static void encode_rows(QuantizedTensor& q, Tile block, const float* values, int64_t stride,
                          float scale, EncodeReport& report) {
    for (int64_t n = block.n0; n < block.n1; ++n, values += stride) {
      uint8_t* codes = q.planes[codes_plane].template as<uint8_t>() + n * q.k + block.k0;
      const int64_t count = block.k1 - block.k0;
      int clipped = 0;
      for (int64_t i = 0; i < count; ++i) {
        const float quotient = values[i] / scale;
        clipped += std::fabs(quotient) >= Element::largest + Element::last_step ? 1 : 0;
        codes[i] = Element::encode(quotient);
      }
      report.clipped += clipped;
    }
  }

  // One block; `values` is its upper left corner.
  static void encode_block(QuantizedTensor& q, Tile block, const float* values, int64_t stride,
                           EncodeReport& report) {
    float amax = 0;
    for (int64_t n = block.n0; n < block.n1; ++n) {
      const float of_row = amax_of(values + (n - block.n0) * stride, block.k1 - block.k0);
      if (!is_finite(of_row)) {
        report.nonfinite += 1;
        return;
      }
      amax = of_row > amax ? of_row : amax;
    }
    const int64_t at = scale_at(q, block.n0, block.k0);
    const int64_t flushed = report.flushed_groups;
    if constexpr (!of_tensor) put_scale(q, at, amax, report);
    const float scale = load_scale(q.planes[scales_plane], at);
    if (scale - scale != 0) return;
    // Divided by infinity, everything is zero.
    const bool empty = amax == 0 || report.flushed_groups != flushed;
    encode_rows(q, block, values, stride, empty ? INFINITY : scale, report);
  }

  static EncodeReport prepare(QuantizedTensor& q, ThreadPool& pool, const float* values,
                              int64_t stride, ScaleRule) {
    EncodeReport report;
    put_scale(q, 0, finite_amax(pool, values, q.n, q.k, stride), report);
    return report;
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule) {
    EncodeReport report;
    const int64_t height = of_tensor ? 1 : block_rows(q), width = block_columns(q);
    CHECK(tile.n0 % height == 0 && (tile.n1 % height == 0 || tile.n1 == q.n));
    for (int64_t n = tile.n0; n < tile.n1; n += height) {
      for (int64_t k = tile.k0; k < tile.k1; k += width) {
        const Tile block{n, n + height < tile.n1 ? n + height : tile.n1, k,
                         k + width < tile.k1 ? k + width : tile.k1};
        encode_block(q, block, values + (n - tile.n0) * stride + (k - tile.k0), stride, report);
      }
    }
    return report;
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    const int64_t width = block_columns(q);
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      const uint8_t* codes = q.planes[codes_plane].template as<uint8_t>() + n * q.k;
      for (int64_t k = tile.k0; k < tile.k1;) {
        const int64_t b = k / width, end = (b + 1) * width < tile.k1 ? (b + 1) * width : tile.k1;
        const float scale = load_scale(q.planes[scales_plane], scale_at(q, n, k));
        for (; k < end; ++k) values[k - tile.k0] = scale * Element::decode(codes[k]);
      }
    }
  }

  static Elements elements() {
    Elements e = ElementRows<Element>::elements();
    e.group = columns;
    e.scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
      return ElementScale{load_scale(q.planes[scales_plane], scale_at(q, n, k))};
    };
    return e;
  }

  static Format format() {
    static const std::string value = "scale * element: " + std::string(Element::range);
    Format f;
    f.layout = "elements and scales in planes of their own, row-major";
    f.value = value;
    f.source = Element::source;
    f.scale_dtype = DType::f32;
    f.scale_block = {rows, columns};
    f.planes = planes;
    if (of_tensor) f.prepare = prepare;
    f.encode_tile = encode_tile;
    f.put_codes = ElementRows<Element>::put_codes;
    f.decode_tile = decode_tile;
    f.elements = elements();
    return f;
  }
};

}  // namespace farthing
