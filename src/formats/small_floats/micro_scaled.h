// mxfp4, mxfp6_e2m3, mxfp6_e3m2, mxfp8, mxfp8_e5m2: the OCP Microscaling formats, small floats with
// a power of two for each block of 32 along k.
//
// Layout: plane codes: of 8 bits the element's type [n, k]; else u8 [n, ceil(k * B / 8)], LSB first
//         along k (4 bits: even k in the low nibble; 6 bits: four codes in three bytes).
//         plane scales, E8M0 [n, ceil(k / 32)]: e stands for 2^(e - 127); the last block of a row
//         may be shorter.
// Value:  2^(e - 127) * element, one rounding to f32 (exact unless it is subnormal). e = 255: NaN.
// Rules:  floor (OCP, default), rceil and even of scale_rule.h; a code is the element nearest to
//         w / scale, ties to even, saturating. A block of zeros has e = 0 and codes 0 (E8M0 has no
//         zero, and torchao stores the same).
// Bits:   B + 8 / 32 a weight.
// Source: OCP Microscaling Formats (MX) Specification 1.0 (arXiv 2310.10537); floor, rceil and even
//         as in torchao, with which tests compare.
#pragma once

#include "formats/format.h"
#include "formats/group_search.h"
#include "formats/small_floats/element_rows.h"

namespace farthing {

// 2^(code - 127), NaN for 255; 2^-127 is subnormal.
inline float f32_from_e8m0(uint8_t code) {
  const uint32_t bits = code == 0 ? 1u << 22 : code == 255 ? 0x7fc00000u : uint32_t{code} << 23;
  return std::bit_cast<float>(bits);
}

// The inverse, of a power of two from 2^-127 to 2^127.
inline uint8_t e8m0_from_f32(float power_of_two) {
  const uint32_t bits = std::bit_cast<uint32_t>(power_of_two);
  return static_cast<uint8_t>(bits >> 23);
}

template <class Element>
struct MicroScaled {
  static constexpr int64_t block = 32;
  enum { codes_plane, scales_plane };
  using Rows = ElementRows<Element>;

  static std::vector<PlaneSpec> planes(int64_t n, int64_t k, DType) {
    return {{"codes", Element::dtype, {n, Rows::bytes(k)}},
            {"scales", DType::f8_e8m0, {n, (k + block - 1) / block}}};
  }
  static int64_t scale_at(const QuantizedTensor& q, int64_t n, int64_t k) {
    return n * q.planes[scales_plane].shape()[1] + k / block;
  }

  // The scale's code among the rule's and its two neighbours, by the weighted squared error.
  static int search_code(int by_rule, const float* values, const float* importance, int64_t count) {
    ScaleSearch search(values, importance, count, NearestElement<Element>{});
    int best = by_rule;
    float least = INFINITY;
    for (const int code : {by_rule, by_rule - 1, by_rule + 1}) {
      if (code < 0 || code > 254) continue;
      search.consider(f32_from_e8m0(static_cast<uint8_t>(code)),
                      [&](float) { return f32_from_e8m0(static_cast<uint8_t>(code)); });
      if (search.error() < least) {
        least = search.error();
        best = code;
      }
    }
    return best;
  }

  static EncodeReport encode_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule) {
    return search_tile(q, tile, values, stride, rule, nullptr);
  }

  // Without importance nothing is searched.
  static EncodeReport search_tile(QuantizedTensor& q, Tile tile, const float* values,
                                  int64_t stride, ScaleRule rule, const float* importance) {
    EncodeReport report;
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t k = tile.k0; k < tile.k1; k += block) {
        const int64_t count = tile.k1 - k < block ? tile.k1 - k : block;
        const float* from = values + (k - tile.k0);
        const float amax = amax_of(from, count);
        if (!is_finite(amax)) {
          report.nonfinite += 1;
          continue;
        }
        int code = power_of_two_scale(rule, amax, Element::largest, Element::mantissa);
        if (importance != nullptr && amax != 0)
          code = search_code(code, from, importance + (k - tile.k0), count);
        q.planes[scales_plane].template as<uint8_t>()[scale_at(q, n, k)] =
            static_cast<uint8_t>(code);
        // Exact: w times a power of two, unless it is far below the least element.
        const float inverse = f32_from_e8m0(static_cast<uint8_t>(254 - code));
        if (amax == 0) report.zero_groups += 1;
        if (amax != 0 && code == 0 && Element::encode(amax * inverse) == 0)
          report.flushed_groups += 1;
        report.clipped += Rows::encode(Rows::row(q.planes[codes_plane], n), k, from, count,
                                       [inverse](float w) { return w * inverse; });
      }
    }
    return report;
  }

  static void decode_tile(const QuantizedTensor& q, Tile tile, float* values, int64_t stride) {
    for (int64_t n = tile.n0; n < tile.n1; ++n, values += stride) {
      for (int64_t k = tile.k0; k < tile.k1; k += block) {
        const int64_t count = tile.k1 - k < block ? tile.k1 - k : block;
        Rows::decode(
            Rows::row(q.planes[codes_plane], n), k, count,
            f32_from_e8m0(q.planes[scales_plane].template as<uint8_t>()[scale_at(q, n, k)]),
            values + (k - tile.k0));
      }
    }
  }

  static Elements elements() {
    Elements e = Rows::elements();
    e.group = block;
    e.scale_dtype = DType::bf16;  // the same exponents
    e.scale_at = [](const QuantizedTensor& q, int64_t n, int64_t k) {
      const uint8_t code = q.planes[scales_plane].template as<uint8_t>()[scale_at(q, n, k)];
      return ElementScale{f32_from_e8m0(code)};
    };
    return e;
  }

  static Format format() {
    static constexpr ScaleRule rules[] = {ScaleRule::floor, ScaleRule::rceil, ScaleRule::even};
    static const std::string value = "2^(e - 127) * element: " + std::string(Element::range);
    Format f;
    f.layout = Element::bits == 8
                   ? "elements and E8M0 scales of blocks of 32 along k in planes of their own"
                   : "packed elements (LSB first along k) and E8M0 scales of blocks of 32 along k "
                     "in planes of their own";
    f.value = value;
    f.source = "OCP Microscaling Formats (MX) Specification 1.0 (arXiv 2310.10537)";
    f.scale_rules = rules;
    f.scale_dtype = DType::f8_e8m0;
    f.scale_block = {1, block};
    f.planes = planes;
    f.encode_tile = encode_tile;
    f.search_tile = search_tile;
    f.put_codes = Rows::put_codes;
    f.decode_tile = decode_tile;
    f.elements = elements();
    return f;
  }
};

}  // namespace farthing
