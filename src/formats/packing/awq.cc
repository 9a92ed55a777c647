// awq: eight 4-bit codes of neighbouring outputs in a 32-bit word, the even ones in its lower half;
// zero points in the same order.
//
// Source: AutoAWQ, awq/modules/linear/gemm.py (version "gemm"). The qweight of version "gemv" is
// compressed_tensors' order.
#include "formats/packing/matrix_of_lines.h"

namespace farthing {

using namespace packing;

namespace {

template <int bits>
using Interleaved = MatrixOfLines<EvenThenOdd4, Along::n, LineIs::row>;

CodePacking awq_order(std::string_view order, std::string_view files) {
  CodePacking p = packing_of<Interleaved, 4>(order, files);
  p.multiples = [](int) { return CodePacking::Multiples{.n = 8}; };
  return p;
}

}  // namespace

CodePacking awq_packing() {
  return awq_order("row k of I32 [k, n/8]: nibble i of word c is output 8c + {0,2,4,6,1,3,5,7}[i]",
                   "AWQ (AutoAWQ version gemm; vLLM awq, awq_marlin) qweight");
}

CodePacking awq_zeros_packing() {
  CodePacking p = awq_order(
      "row g of I32 [groups, n/8]: nibble i of word c is output 8c + {0,2,4,6,1,3,5,7}[i]",
      "AWQ qzeros");
  p.holds = CodePacking::Holds::zero_points;
  return p;
}

}  // namespace farthing
