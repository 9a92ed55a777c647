// Runs of small floats in a row of codes: encoded from and decoded to f32, packed where a code is
// narrower than a byte.
#pragma once

#include <cmath>

#include "formats/format.h"
#include "formats/packed_codes.h"
#include "formats/small_floats/small_float.h"
#include "tensor/tensor.h"

namespace farthing {

// What ScaleSearch asks for.
template <class Element>
struct NearestElement {
  float operator()(float x) const { return Element::decode(Element::encode(x)); }
};

template <class Element>
struct ElementRows {
  using Codes = PackedCodes<Element::bits>;
  static constexpr int chunk = 16;  // codes that pass through one byte each; loops over all of
                                    // them become vectors

  static int64_t bytes(int64_t count) { return Codes::bytes(count); }
  static uint8_t* row(Tensor& plane, int64_t n) {
    return plane.as<uint8_t>() + n * plane.shape()[1];
  }
  static const uint8_t* row(const Tensor& plane, int64_t n) {
    return plane.as<uint8_t>() + n * plane.shape()[1];
  }

  // The elements [begin, begin + count) of a row become those nearest to quotient(value); returns
  // how many lie beyond the largest element by its last step or more. `begin` is a multiple of 8.
  template <class Quotient>
  static int64_t encode(uint8_t* row, int64_t begin, const float* values, int64_t count,
                        const Quotient& quotient) {
    int64_t clipped = 0;
    uint8_t codes[chunk];
    const auto encode_run = [&](const float* from, int length) {
      int beyond = 0;
      for (int i = 0; i < length; ++i) {
        const float x = quotient(from[i]);
        beyond += std::fabs(x) >= Element::largest + Element::last_step ? 1 : 0;
        codes[i] = Element::encode(x);
      }
      clipped += beyond;
    };
    const int64_t whole = count - count % chunk;
    for (int64_t at = 0; at < whole; at += chunk) {
      encode_run(values + at, chunk);
      Codes::pack(row, begin + at, codes, chunk);
    }
    if (whole < count) {
      encode_run(values + whole, static_cast<int>(count - whole));
      Codes::pack(row, begin + whole, codes, count - whole);
    }
    return clipped;
  }

  // Its codes as kernels want them: an index of the numbers, or the sign in bit 7.
  static Elements elements() {
    Elements e{};
    if constexpr (Element::bits == 4) {
      e.kind = ElementKind::book;
      for (size_t code = 0; code < 16; ++code)
        e.book[code] = Element::value_of(static_cast<int>(code));
    } else {
      e.kind = ElementKind::small_float;
      e.mantissa = Element::mantissa;
      e.bias = Element::bias;
    }
    e.bits = Element::bits == 4 ? 4 : 8;
    e.codes = [](const QuantizedTensor& q, Tile tile, uint8_t* codes, int64_t stride) {
      for (int64_t n = tile.n0; n < tile.n1; ++n, codes += stride) {
        Codes::unpack(row(q.planes[0], n), tile.k0, tile.k1 - tile.k0, codes);
        if constexpr (Element::bits == 6)
          for (int64_t i = 0; i < tile.k1 - tile.k0; ++i)
            codes[i] = static_cast<uint8_t>((codes[i] & 31) | (codes[i] & 32) << 2);
      }
    };
    // Of a nan type the last code, of an IEEE one the last exponent, is no number.
    e.levels = Element::largest_code + 1;
    if constexpr (Element::bits == 4) e.levels = 0;  // the sign is in the book
    return e;
  }

  // Codes as elements() gives them, into whole rows of the plane of codes.
  static void put_codes(QuantizedTensor& q, int64_t n0, int64_t n1, const uint8_t* codes,
                        int64_t stride) {
    uint8_t narrow[chunk];
    for (int64_t n = n0; n < n1; ++n, codes += stride) {
      if constexpr (Element::bits != 6) {
        Codes::pack(row(q.planes[0], n), 0, codes, q.k);
        continue;
      }
      for (int64_t k = 0; k < q.k; k += chunk) {
        const int64_t count = q.k - k < chunk ? q.k - k : chunk;
        for (int64_t i = 0; i < count; ++i)
          narrow[i] = static_cast<uint8_t>((codes[k + i] & 31) | (codes[k + i] >> 2 & 32));
        Codes::pack(row(q.planes[0], n), k, narrow, count);
      }
    }
  }

  // scale * element, one rounding.
  static void decode(const uint8_t* row, int64_t begin, int64_t count, float scale, float* values) {
    uint8_t codes[chunk];
    for (int64_t at = 0; at < count; at += chunk) {
      const int length = static_cast<int>(count - at < chunk ? count - at : chunk);
      Codes::unpack(row, begin + at, length, codes);
      for (int i = 0; i < length; ++i) values[at + i] = scale * Element::decode(codes[i]);
    }
  }
};

}  // namespace farthing
