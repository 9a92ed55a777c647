// bitsandbytes: the matrix as one line, row after row; the first of two 4-bit codes in a byte's
// high nibble. The codes are indices of the NF4 or FP4 table.
//
// Source: bitsandbytes, bitsandbytes/backends/default/ops.py (quantize_4bit).
#include "formats/packing/matrix_of_lines.h"

namespace farthing {

using namespace packing;

namespace {

template <int>
struct OneLine {
  static Shape shape(int64_t n, int64_t k) { return {line_bytes<HighNibbleFirst, 1>(n * k), 1}; }
  static void pack(const uint8_t* codes, int64_t n, int64_t k, uint8_t* packed) {
    pack_line<HighNibbleFirst, 1>(codes, n * k, packed);
  }
  static void unpack(const uint8_t* packed, int64_t, int64_t k, CodePacking::Outputs outputs,
                     uint8_t* codes) {
    unpack_line<HighNibbleFirst, 1>(packed + outputs.begin * k / 2,
                                    (outputs.end - outputs.begin) * k, codes);
  }
};

}  // namespace

CodePacking bitsandbytes_packing() {
  CodePacking p = packing_of<OneLine, 4>(
      "U8 [ceil(n*k/2), 1]: with i = n*K + k, byte i/2; its high nibble where i is even",
      "bitsandbytes (Hugging Face, vLLM) weight of nf4 and fp4");
  p.dtype = DType::u8;
  return p;
}

}  // namespace farthing
