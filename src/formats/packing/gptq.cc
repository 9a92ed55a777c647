// gptq: 32-bit words along k, one under the other: word (w, n) of [k * bits / 32, n] holds codes of
// output n alone. Its zero points lie along n, and its older files store them less one.
//
// Source: GPTQModel, gptqmodel/nn_modules/qlinear/__init__.py, gptqmodel/utils/model.py
//         (convert_gptq_v1_to_v2_format) and docs/gptq_planar.md.
#include <numeric>

#include "formats/packing/matrix_of_lines.h"

namespace farthing {

using namespace packing;

namespace {

template <int bits>
using Weights = MatrixOfLines<Dense<bits>, Along::k, LineIs::column>;
template <int bits>
using ZerosLessOne = MatrixOfLines<MinusOne<Dense<bits>>, Along::n, LineIs::row>;
template <int bits>
using Zeros = MatrixOfLines<Dense<bits>, Along::n, LineIs::row>;
template <int bits>
using PlanarWeights = MatrixOfLines<Planar<bits>, Along::k, LineIs::column>;
template <int bits>
using PlanarZeros = MatrixOfLines<Planar<bits>, Along::n, LineIs::row>;

// Codes that fill whole words.
int64_t whole(int bits) { return 32 / std::gcd(32, bits); }

CodePacking zeros(CodePacking packing) {
  packing.holds = CodePacking::Holds::zero_points;
  packing.multiples = [](int bits) { return CodePacking::Multiples{.n = whole(bits)}; };
  return packing;
}

}  // namespace

CodePacking gptq_packing() {
  CodePacking p = packing_of<Weights, 2, 3, 4, 8>(
      "column n of I32 [k*bits/32, n]: the codes along k, LSB first, across words",
      "GPTQ (AutoGPTQ, GPTQModel; vLLM gptq, gptq_marlin) qweight");
  p.multiples = [](int bits) { return CodePacking::Multiples{.k = whole(bits)}; };
  return p;
}

CodePacking gptq_v1_zeros_packing() {
  CodePacking p = zeros(packing_of<ZerosLessOne, 2, 3, 4, 8>(
      "row g of I32 [groups, n*bits/32]: zero - 1 along n, LSB first, across words",
      "GPTQ qzeros of checkpoint_format gptq (the default)"));
  p.least_code = 1;  // readers disagree about what 0 - 1 is read as
  return p;
}

CodePacking gptq_v2_zeros_packing() {
  return zeros(packing_of<Zeros, 2, 3, 4, 8>(
      "row g of I32 [groups, n*bits/32]: zero along n, LSB first, across words",
      "GPTQ qzeros of checkpoint_format gptq_v2"));
}

CodePacking gptq_planar_packing() {
  CodePacking p = packing_of<PlanarWeights, 2, 3, 4, 5, 6, 7, 8>(
      "column n of I32 [k*bits/32, n]: each 32 codes along k in planes of their low 4, then 2, "
      "then 1 bits",
      "GPTQModel qweight of checkpoint_format gptq_p");
  p.multiples = [](int) { return CodePacking::Multiples{.k = 32}; };
  return p;
}

CodePacking gptq_planar_zeros_packing() {
  CodePacking p = packing_of<PlanarZeros, 2, 3, 4, 5, 6, 7, 8>(
      "row g of I32 [groups, n*bits/32]: each 32 zeros along n in planes of their low 4, then 2, "
      "then 1 bits",
      "GPTQModel qzeros of checkpoint_format gptq_p");
  p.holds = CodePacking::Holds::zero_points;
  p.multiples = [](int) { return CodePacking::Multiples{.n = 32}; };
  return p;
}

}  // namespace farthing
