// marlin: the order in which the GPU kernel of that name loads 4-bit and 8-bit codes: a thread's
// words are its fragments of the tensor core's m16n8k16 product.
//
// A tile is 16 inputs x 64 outputs. Thread 4c + q (c in 0..7, q in 0..3) has, of its j-th 16
// outputs, outputs c and c + 8, and of each the inputs 2q, 2q + 1, 2q + 8, 2q + 9:
//   4 bits  word 16c + 4q + j, byte b of outputs a = c (even b) or c + 8 (odd b) and inputs
//           i = 2q + b/2 (low nibble), i + 8 (high nibble)
//   8 bits  word 2 (16c + 4q + j) + h of output c + 8h, bytes: inputs 2q, 2q + 8, 2q + 1, 2q + 9
// Zero points: of each 64 outputs, 8i + j comes from output i + 8j; then the even ones of eight
// (of four, with 8 bits) before the odd ones.
//
// Source: IST-DASLab/marlin, marlin/__init__.py (4 bits); vLLM,
//         vllm/model_executor/layers/quantization/utils/marlin_utils_test.py (get_weight_perm:
//         8 bits) and marlin_utils.py (marlin_zero_points). The order for 16-bit activations.
#include "formats/packing/matrix_of_lines.h"

namespace farthing {

using namespace packing;

namespace {

constexpr int64_t tile_k = 16, tile_n = 64;

// Calls act(first output, first input, offset of the tile's bytes) so that the tiles of one cache
// line of codes follow each other.
template <int bits, class Do>
void for_each_tile(int64_t n, int64_t k, CodePacking::Outputs outputs, const Do& act) {
  constexpr int64_t tile_bytes = tile_k * tile_n * bits / 8, together = 64;
  for (int64_t k0 = 0; k0 < k; k0 += together)
    for (int64_t n0 = outputs.begin; n0 < outputs.end; n0 += tile_n)
      for (int64_t at = k0; at < std::min(k, k0 + together); at += tile_k)
        act(n0, at, (at / tile_k * (n / tile_n) + n0 / tile_n) * tile_bytes);
}

// The four words of outputs `upper` and `upper + 8 rows` for q = 0..3, as they lie in memory: 16
// bytes apart.
void pack_outputs4(const uint8_t* upper, const uint8_t* lower, uint8_t* to) {
  const uint64_t a = load<8>(upper) | load<8>(upper + 8) << 4,
                 b = load<8>(lower) | load<8>(lower + 8) << 4;
  for (int q = 0; q < 4; ++q) {
    const uint64_t of_a = a >> 16 * q, of_b = b >> 16 * q;
    store<4>(to + 16 * q,
             (of_a & 0xff) | (of_b & 0xff) << 8 | (of_a & 0xff00) << 8 | (of_b & 0xff00) << 16);
  }
}
void unpack_outputs4(const uint8_t* from, uint8_t* upper, uint8_t* lower) {
  uint64_t a = 0, b = 0;
  for (int q = 0; q < 4; ++q) {
    const uint64_t word = load<4>(from + 16 * q);
    a |= ((word & 0xff) | (word >> 8 & 0xff00)) << 16 * q;
    b |= ((word >> 8 & 0xff) | (word >> 16 & 0xff00)) << 16 * q;
  }
  constexpr uint64_t low = in_each_byte(15);
  store<8>(upper, a & low);
  store<8>(upper + 8, a >> 4 & low);
  store<8>(lower, b & low);
  store<8>(lower + 8, b >> 4 & low);
}

// The same with 8 bits, one output: 32 bytes apart.
void pack_output8(const uint8_t* output, uint8_t* to) {
  const uint64_t first = load<8>(output), second = load<8>(output + 8);
  for (int q = 0; q < 4; ++q) {
    const uint64_t x = first >> 16 * q, y = second >> 16 * q;
    store<4>(to + 32 * q, (x & 0xff) | (y & 0xff) << 8 | (x & 0xff00) << 8 | (y & 0xff00) << 16);
  }
}
void unpack_output8(const uint8_t* from, uint8_t* output) {
  uint64_t first = 0, second = 0;
  for (int q = 0; q < 4; ++q) {
    const uint64_t word = load<4>(from + 32 * q);
    first |= ((word & 0xff) | (word >> 8 & 0xff00)) << 16 * q;
    second |= ((word >> 8 & 0xff) | (word >> 16 & 0xff00)) << 16 * q;
  }
  store<8>(output, first);
  store<8>(output + 8, second);
}

template <int bits>
struct Tiles {
  static Shape shape(int64_t n, int64_t k) { return {k / tile_k, n * tile_k * bits / 32}; }

  static void pack(const uint8_t* codes, int64_t n, int64_t k, uint8_t* packed) {
    for_each_tile<bits>(n, k, {0, n}, [&](int64_t n0, int64_t k0, int64_t offset) {
      for (int64_t j = 0; j < 4; ++j) {
        for (int64_t c = 0; c < 8; ++c) {
          const uint8_t* upper = codes + (n0 + 16 * j + c) * k + k0;
          uint8_t* to = packed + offset + (16 * c + j) * bits;
          if constexpr (bits == 4) {
            pack_outputs4(upper, upper + 8 * k, to);
          } else {
            pack_output8(upper, to);
            pack_output8(upper + 8 * k, to + 4);
          }
        }
      }
    });
  }

  static void unpack(const uint8_t* packed, int64_t n, int64_t k, CodePacking::Outputs outputs,
                     uint8_t* codes) {
    for_each_tile<bits>(n, k, outputs, [&](int64_t n0, int64_t k0, int64_t offset) {
      for (int64_t j = 0; j < 4; ++j) {
        for (int64_t c = 0; c < 8; ++c) {
          uint8_t* upper = codes + (n0 - outputs.begin + 16 * j + c) * k + k0;
          const uint8_t* from = packed + offset + (16 * c + j) * bits;
          if constexpr (bits == 4) {
            unpack_outputs4(from, upper, upper + 8 * k);
          } else {
            unpack_output8(from, upper);
            unpack_output8(from + 4, upper + 8 * k);
          }
        }
      }
    });
  }
};

// 64 zero points.
template <int bits_>
struct Exchanged8x8 {
  using Eight = std::conditional_t<bits_ == 4, EvenThenOdd4, EvenThenOdd8>;
  static constexpr int bits = bits_, codes = 64, bytes = 8 * bits;
  static void pack(const uint8_t* from, uint8_t* to) {
    uint8_t exchanged[codes];
    transpose(from, 8, 8, 8, exchanged, 8);
    for (int i = 0; i < 8; ++i) Eight::pack(exchanged + 8 * i, to + bits * i);
  }
  static void unpack(const uint8_t* from, uint8_t* to) {
    uint8_t exchanged[codes];
    for (int i = 0; i < 8; ++i) Eight::unpack(from + bits * i, exchanged + 8 * i);
    transpose(exchanged, 8, 8, 8, to, 8);
  }
};

template <int bits>
using Zeros = MatrixOfLines<Exchanged8x8<bits>, Along::n, LineIs::row>;

}  // namespace

CodePacking marlin_packing() {
  CodePacking p = packing_of<Tiles, 4, 8>(
      "I32 [k/16, n*bits/2]: tiles of 16 inputs x 64 outputs, a thread's fragments in one word",
      "Marlin kernels at run time (vLLM gptq_marlin, awq_marlin); files of quant_method marlin");
  p.multiples = [](int) { return CodePacking::Multiples{.n = tile_n, .k = tile_k}; };
  return p;
}

CodePacking marlin_zeros_packing() {
  CodePacking p = packing_of<Zeros, 4, 8>(
      "row g of I32 [groups, n*bits/32]: each 64 outputs as 8 x 8 exchanged, then even before odd",
      "Marlin kernels at run time (vLLM awq_marlin)");
  p.holds = CodePacking::Holds::zero_points;
  p.multiples = [](int) { return CodePacking::Multiples{.n = tile_n}; };
  return p;
}

}  // namespace farthing
