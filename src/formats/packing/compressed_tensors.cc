// compressed_tensors: 32-bit words along k in each row, the row padded to whole words; zero points
// along n, a column for each group. Files of before version 0.17 have whole codes in a word.
//
// Source: compressed-tensors, src/compressed_tensors/compressors/pack_quantized/helpers.py
//         (pack_to_int32), versions 0.20 and 0.15.
#include "formats/packing/matrix_of_lines.h"

namespace farthing {

using namespace packing;

namespace {

template <int bits>
using Weights = MatrixOfLines<Dense<bits>, Along::k, LineIs::row>;
template <int bits>
using Zeros = MatrixOfLines<Dense<bits>, Along::n, LineIs::column>;
template <int bits>
using WholeWeights = MatrixOfLines<WholeInWord<bits>, Along::k, LineIs::row>;
template <int bits>
using WholeZeros = MatrixOfLines<WholeInWord<bits>, Along::n, LineIs::column>;

template <template <int> class Order>
CodePacking all_widths(CodePacking::Holds holds, std::string_view order, std::string_view files) {
  CodePacking p = packing_of<Order, 1, 2, 3, 4, 5, 6, 7, 8>(order, files);
  p.holds = holds;
  return p;
}

}  // namespace

CodePacking compressed_tensors_packing() {
  return all_widths<Weights>(
      CodePacking::Holds::weights,
      "row n of I32 [n, ceil(k*bits/32)]: the codes along k, LSB first, across words",
      "compressed-tensors (vLLM) pack-quantized weight_packed; AWQ version gemv qweight");
}

CodePacking compressed_tensors_zeros_packing() {
  return all_widths<Zeros>(
      CodePacking::Holds::zero_points,
      "column g of I32 [ceil(n*bits/32), groups]: zero along n, LSB first, across words",
      "compressed-tensors pack-quantized weight_zero_point");
}

CodePacking compressed_tensors_legacy_packing() {
  return all_widths<WholeWeights>(
      CodePacking::Holds::weights,
      "row n of I32 [n, ceil(k/c)], c = 32/bits rounded down: c codes along k in each word, LSB "
      "first",
      "compressed-tensors before 0.17 (differs for 3, 5, 6, 7 bits) weight_packed");
}

CodePacking compressed_tensors_legacy_zeros_packing() {
  return all_widths<WholeZeros>(
      CodePacking::Holds::zero_points,
      "column g of I32 [ceil(n/c), groups], c = 32/bits rounded down: c zeros along n in each "
      "word, LSB first",
      "compressed-tensors before 0.17 (differs for 3, 5, 6, 7 bits) weight_zero_point");
}

}  // namespace farthing
