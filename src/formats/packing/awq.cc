// awq: eight 4-bit codes of neighbouring outputs in a 32-bit word, the even ones in its lower half;
// zero points in the same order.
//
// Source: AutoAWQ, awq/modules/linear/gemm.py (version "gemm"). The qweight of version "gemv" is
// compressed_tensors' order.
#include "formats/packing/matrix_of_lines.h"
#include "tensor/transpose.h"

namespace farthing {

using namespace packing;

namespace {

template <int bits>
using Interleaved = MatrixOfLines<EvenThenOdd4, Along::n, LineIs::row>;

// Eight codes of each of eight outputs, `width` times: word i of an output holds its inputs 8 i to
// 8 i + 7. Exchanges nibbles and rows: afterwards row j holds input j of all eight.
template <int width>
void exchange_nibbles(uint32_t (&rows)[8][width]) {
  const auto exchange = [&]<int distance>(std::integral_constant<int, distance>, uint32_t mask) {
    for (int row = 0; row < 8; ++row) {
      if ((row & distance) != 0) continue;
      uint32_t *upper = rows[row], *lower = rows[row + distance];
      for (int i = 0; i < width; ++i) {
        const uint32_t differing = (upper[i] >> 4 * distance ^ lower[i]) & mask;
        lower[i] ^= differing;
        upper[i] ^= differing << 4 * distance;
      }
    }
  };
  exchange(std::integral_constant<int, 4>{}, 0x0000ffffu);
  exchange(std::integral_constant<int, 2>{}, 0x00ff00ffu);
  exchange(std::integral_constant<int, 1>{}, 0x0f0f0f0fu);
}

// From words along k to words along n. Goes in pieces of `width` words of both, a cache line of
// the target's rows.
void pack_rows(const uint8_t* rows, int64_t n, int64_t k, CodePacking::Inputs inputs,
               uint8_t* packed) {
  constexpr int width = 16;
  constexpr int order[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  const int64_t row_words = (k + 7) / 8, out_words = n / 8;
  uint32_t words[8][width] = {};  // of eight outputs
  uint32_t pieces[8][width][width],
      line[width][width];  // [input in its word][words along n][along k]
  for (int64_t word = inputs.begin / 8; word * 8 < inputs.end; word += width) {
    const int64_t count = std::min<int64_t>(width, (inputs.end + 7) / 8 - word);
    for (int64_t column = 0; column < out_words; column += width) {
      const int64_t columns = std::min<int64_t>(width, out_words - column);
      for (int64_t c = 0; c < columns; ++c) {
        for (int i = 0; i < 8; ++i)
          std::memcpy(words[i], rows + (((column + c) * 8 + order[i]) * row_words + word) * 4,
                      static_cast<size_t>(count) * 4);
        exchange_nibbles(words);
        for (int j = 0; j < 8; ++j) std::memcpy(pieces[j][c], words[j], sizeof words[j]);
      }
      for (int j = 0; j < 8; ++j) {
        transpose(&pieces[j][0][0], width, columns, width, &line[0][0], width);
        for (int64_t w = 0; w < count; ++w)
          if (const int64_t input = (word + w) * 8 + j; input < inputs.end)
            std::memcpy(packed + (input * out_words + column) * 4, line[w],
                        static_cast<size_t>(columns) * 4);
      }
    }
  }
}

CodePacking awq_order(std::string_view order, std::string_view files) {
  CodePacking p = packing_of<Interleaved, 4>(order, files);
  p.multiples = [](int) { return CodePacking::Multiples{.n = 8}; };
  return p;
}

}  // namespace

CodePacking awq_packing() {
  CodePacking p =
      awq_order("row k of I32 [k, n/8]: nibble i of word c is output 8c + {0,2,4,6,1,3,5,7}[i]",
                "AWQ (AutoAWQ version gemm; vLLM awq, awq_marlin) qweight");
  p.pack_rows = pack_rows;
  return p;
}

CodePacking awq_zeros_packing() {
  CodePacking p = awq_order(
      "row g of I32 [groups, n/8]: nibble i of word c is output 8c + {0,2,4,6,1,3,5,7}[i]",
      "AWQ qzeros");
  p.holds = CodePacking::Holds::zero_points;
  return p;
}

}  // namespace farthing
