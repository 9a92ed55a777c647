// ElementPanels: the packed layout of weights that are scale * (element(code) - zero) + offset.
//
// One panel of 16 outputs: [codes][scales][seconds][units][second units], each part 64-byte
// aligned.
//   codes:   for each 32 of k (padded with code 0) 16 dwords again and again, 32 / bits of k in
//   each;
//            the first of them in the lowest bits of dword o, which is of output o. Small floats:
//            16 words again and again, even k in the low byte.
//   scales:  f16, bf16 or f32 [groups][16]; seconds: the same, where there is a second term
//   units:   f32 [units][16], of 256 weights each; second units: the same
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "formats/format.h"

namespace farthing {

struct ElementPanels {
  ElementKind kind;
  int bits;
  SecondTerm second;
  bool units;
  int middle;         // of whole numbers
  bool whole_book;    // the book is code - middle
  int mantissa;       // of small floats
  float power;        // of small floats: what the half of the same bits is multiplied by
  DType scale_dtype;  // f16, bf16 or f32
  int64_t k;
  int64_t group;  // weights that share a scale: a multiple of 16, or 1
  int64_t groups, unit_count;
  int64_t scales_offset, seconds_offset, units_offset, second_units_offset, panel_bytes;
  std::array<float, 16> book;  // of 2 bits: four times the same four

  explicit ElementPanels(const QuantizedTensor& q);
  int64_t code_bytes(int64_t count) const { return count * 2 * bits; }
};

// Writes one panel. Outputs beyond n have code 0 and scale 0.
void pack_elements(const QuantizedTensor& q, const ElementPanels& layout, int64_t panel,
                   std::byte* out);

}  // namespace farthing
