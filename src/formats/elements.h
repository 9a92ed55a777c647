// Elements: how the values of a format come from small codes and scales, for kernels that decode in
// registers.
//
// Value: scale * (element(code) - zero) + offset, in this order, each operation rounded to f32;
// where a format has no zeros or no offsets the step is left out. Must give the bits of
// decode_tile: a test compares them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "tensor/dtype.h"

namespace farthing {

struct QuantizedTensor;
struct Tile;

enum class ElementKind {
  book,         // of 2 or 4 bits: one of 4 or 16 numbers
  whole,        // of 8 bits: code - middle
  small_float,  // of 8 bits: a sign, then an exponent and 2 or 3 bits of mantissa
};

// What groups have beside the scale. With a second term whole numbers have no middle. With offsets
// scale * element must be exact in f32 (at most 24 bits of both), so that a kernel may fuse the two
// operations.
enum class SecondTerm { none, zero, offset };

// Of the group that a weight lies in. The scale is f32(unit * scale), likewise the second term.
struct ElementScale {
  float scale;
  float second = 0;
  float unit = 1, second_unit = 1;
};

struct Elements {
  ElementKind kind;
  int bits;  // of a code: 2, 4 or 8
  SecondTerm second = SecondTerm::none;
  std::array<float, 16> book{};
  int middle = 0;
  int levels = 0;  // codes are below this; of small floats, without the sign; 0: all of `bits`
  int mantissa = 0,
      bias = 0;        // of small floats; codes as `codes` gives them have the sign in bit 7
  int64_t group = 0;   // weights along k that share a scale, a multiple of 16; 0: the row
  bool units = false;  // whether each 256 weights of a row have a unit
  // A type that holds every scale and second term (without units); unset: the tensor's scale_dtype.
  std::optional<DType> scale_dtype = std::nullopt;

  // The codes of a tile (k0 a multiple of 256), a byte each.
  void (*codes)(const QuantizedTensor& from, Tile tile, uint8_t* codes, int64_t stride) = nullptr;
  // Of the group that holds weight [n, k].
  ElementScale (*scale_at)(const QuantizedTensor& from, int64_t n, int64_t k) = nullptr;
};

// The book of the whole numbers from -middle.
constexpr std::array<float, 16> whole_book(int middle) {
  std::array<float, 16> out{};
  for (int code = 0; code < 16; ++code)
    out[static_cast<size_t>(code)] = static_cast<float>(code - middle);
  return out;
}

}  // namespace farthing
