// nvfp4, nvfp4_46: E2M1 with an E4M3 scale for each block of 16 along k, and one f32 scale for the
// tensor.
//
// Layout: plane codes, u8 [n, ceil(k / 2)], even k in the low nibble.
//         plane scales, E4M3 [n, ceil(k / 16)]; the last block of a row may be shorter.
//         plane tensor_scale, f32 [1]: g, which multiplies (some files store its inverse).
// Value:  f32(scale * g) * element, rounded.
// Rules:  nvfp4:    g = amax(tensor) / (448 * 6); scale = E4M3(amax(block) / 6 / g).
//         nvfp4_46: g = amax(tensor) / (256 * 6); the block's extreme is mapped to 6, as above, or
//                   to 4 (scale = E4M3(amax(block) / 4 / g)), whichever has the smaller sum of
//                   squared errors; 6 where they are equal.
//         g is then replaced by f32(1 / f32(1 / g)), so that its inverse can be stored as well.
//         A scale below E4M3's least, 2^-9, becomes that. A code is the element nearest to
//         f32(w / f32(scale * g)), ties to even, saturating. A block of zeros has scale 1, a tensor
//         of zeros g = 1.
// Bits:   4.5 a weight, and 32 for the tensor.
// Source: NVFP4 of NVIDIA's ModelOpt and TransformerEngine (arXiv 2509.25149); four over six, arXiv
//         2512.02010.
#pragma once

#include "formats/format.h"
#include "formats/group_search.h"
#include "formats/small_floats/element_rows.h"
#include "formats/tensor_amax.h"

namespace farthing {

// The reciprocal of the scale's reciprocal, each rounded: within two roundings of it, and what a
// file that stores what divides gives back. The scale itself where its reciprocal overflows (0, or
// below 2^-128).
inline float invertible_scale(float scale) {
  const float inverse = 1 / scale;
  return is_finite(inverse) ? 1 / inverse : scale;
}

template <bool four_over_six>
struct Nvfp4 {
  static constexpr int64_t block = 16;
  static constexpr float largest_scale = four_over_six ? 256 : 448;  // of a block mapped to 6
  enum { codes_plane, scales_plane, tensor_plane };
  using Rows = ElementRows<E2m1>;

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    return {{"codes", DType::u8, {n, Rows::bytes(k)}},
            {"scales", DType::f8_e4m3, {n, (k + block - 1) / block}},
            {"tensor_scale", DType::f32, {1}}};
  }
  static int64_t scale_at(const QuantizedTensor& q, int64_t n, int64_t k) {
    return n * q.planes[scales_plane].shape()[1] + k / block;
  }
  static float tensor_scale(const QuantizedTensor& q) {
    return q.planes[tensor_plane].template as<float>()[0];
  }

  static EncodeReport prepare(QuantizedTensor& q, ThreadPool& pool, const float* values,
                              int64_t stride, ScaleRule) {
    const float amax = finite_amax(pool, values, q.n, q.k, stride);
    const float g = amax / (largest_scale * E2m1::largest);
    q.planes[tensor_plane].template as<float>()[0] = g == 0 ? 1.0f : invertible_scale(g);
    return {};
  }

  // The code of the scale that maps `amax` to `target`.
  static uint8_t scale_code(float amax, float target, float g) {
    const uint8_t code = E4m3::encode(amax / target / g);
    return code == 0 ? 1 : code;
  }

  static double squared_error(const float* values, int64_t count, float scale) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double d =
          static_cast<double>(scale * E2m1::decode(E2m1::encode(values[i] / scale))) - values[i];
      sum += d * d;
    }
    return sum;
  }

  // The scale's code among all from one that maps the extreme to 8 to one that maps it to 3, by the
  // weighted squared error.
  static uint8_t search_code(float amax, const float* values, const float* importance,
                             int64_t count, float g) {
    ScaleSearch search(values, importance, count, NearestElement<E2m1>{});
    uint8_t best = scale_code(amax, E2m1::largest, g);
    float least = INFINITY;
    const uint8_t last = scale_code(amax, 3, g);
    for (int code = scale_code(amax, 8, g); code <= last; ++code) {
      const float scale = E4m3::decode(static_cast<uint8_t>(code)) * g;
      search.consider(scale, [&](float) { return scale; });
      if (!(search.error() < least)) continue;
      least = search.error();
      best = static_cast<uint8_t>(code);
    }
    return best;
  }

  // Without importance the format's own rule.
  static void encode_block(QuantizedTensor& q, int64_t n, int64_t k, const float* values,
                           int64_t count, const float* importance, EncodeReport& report) {
    const float amax = amax_of(values, count), g = tensor_scale(q);
    if (!is_finite(amax)) {
      report.nonfinite += 1;
      return;
    }
    uint8_t code = amax == 0 ? E4m3::encode(1.0f) : scale_code(amax, E2m1::largest, g);
    float scale = E4m3::decode(code) * g;
    if (importance != nullptr && amax != 0) {
      code = search_code(amax, values, importance, count, g);
      scale = E4m3::decode(code) * g;
    } else if constexpr (four_over_six) {
      const uint8_t other = scale_code(amax, 4, g);
      const float wider = E4m3::decode(other) * g;
      if (amax != 0 && scale != 0 &&
          squared_error(values, count, wider) < squared_error(values, count, scale)) {
        code = other;
        scale = wider;
      }
    }
    // Of a subnormal g the product may vanish; divided by infinity all codes are zero.
    if (scale == 0) scale = INFINITY;
    q.planes[scales_plane].template as<uint8_t>()[scale_at(q, n, k)] = code;
    if (amax == 0) report.zero_groups += 1;
    // above the least scale the extreme is at least 5 steps
    if (amax != 0 && (code == 1 || scale == INFINITY) && E2m1::encode(amax / scale) == 0)
      report.flushed_groups += 1;
    report.clipped += Rows::encode(Rows::row(q.planes[codes_plane], n), k, values, count,
                                   [scale](float w) { return w / scale; });
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule) {
    return search_tile(q, tile, values, stride, rule, nullptr);
  }
  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule, const float* importance) {
    EncodeReport report;
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride)
      for (int64_t k = tile.k0; k < tile.k1; k += block)
        encode_block(q, n, k, values + (k - tile.k0), tile.k1 - k < block ? tile.k1 - k : block,
                     importance == nullptr ? nullptr : importance + (k - tile.k0), report);
    return report;
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t k = tile.k0; k < tile.k1; k += block) {
        const float scale =
            E4m3::decode(q.planes[scales_plane].template as<uint8_t>()[scale_at(q, n, k)]) *
            tensor_scale(q);
        Rows::decode(Rows::row(q.planes[codes_plane], n), k,
                     tile.k1 - k < block ? tile.k1 - k : block, scale, values + (k - tile.k0));
      }
    }
  }

  static Elements elements() {
    Elements e = Rows::elements();
    e.group = block;
    e.units = true;
    e.scale_dtype = DType::bf16;  // holds all of E4M3
    e.scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
      const uint8_t code = q.planes[scales_plane].template as<uint8_t>()[scale_at(q, n, k)];
      return ElementScale{.scale = E4m3::decode(code), .unit = tensor_scale(q)};
    };
    return e;
  }

  static Format format() {
    static const std::string value = "scale * tensor scale * element: " + std::string(E2m1::range);
    Format f;
    f.layout =
        "packed elements (even k in the low nibble), E4M3 scales of blocks of 16 along k and an "
        "f32 scale of the tensor in planes of their own";
    f.value = value;
    f.source = four_over_six ? "NVFP4 with four over six, arXiv 2512.02010"
                             : "NVFP4 of ModelOpt and TransformerEngine (arXiv 2509.25149)";
    f.scale_dtype = DType::f8_e4m3;
    f.scale_block = {1, block};
    f.planes = planes;
    f.prepare = prepare;
    f.encode_tile = encode_tile;
    f.search_tile = search_tile;
    f.put_codes = Rows::put_codes;
    f.decode_tile = decode_tile;
    f.elements = elements();
    return f;
  }
};

}  // namespace farthing
