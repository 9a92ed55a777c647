// awq_gemv_fast: four outputs by 64 inputs as 64 words of 16 bits; of an output's 32 inputs a word
// has every eighth.
//
// Source: AutoAWQ, awq/modules/linear/gemv_fast.py (pack_intweight).
#include "formats/packing/matrix_of_lines.h"

namespace farthing {

using namespace packing;

namespace {

constexpr int64_t outputs = 4, inputs = 64, in_word = 4, apart = 8;

template <int>
struct FourOutputs {
  static Shape shape(int64_t n, int64_t k) { return {n / outputs, k}; }

  // Calls act(codes of 32 inputs of an output, their eight words).
  template <class Codes, class Words, class Do>
  static void for_each_run(Codes* codes, CodePacking::Outputs of, int64_t k, Words* words,
                           const Do& act) {
    constexpr int64_t run = in_word * apart;
    for (int64_t output = of.begin; output < of.end; ++output) {
      for (int64_t at = 0; at < k; at += run) {
        const int64_t word = output / outputs * k + at / inputs * inputs +
                             output % outputs * (inputs / outputs) + at % inputs / in_word;
        act(codes + (output - of.begin) * k + at, words + 2 * word);
      }
    }
  }
  static void pack(const uint8_t* codes, int64_t n, int64_t k, uint8_t* packed) {
    for_each_run(codes, {0, n}, k, packed, [](const uint8_t* from, uint8_t* to) {
      for (int64_t i = 0; i < apart; ++i) {
        uint64_t word = 0;
        for (int64_t j = 0; j < in_word; ++j) word |= uint64_t{from[apart * j + i]} << 4 * j;
        store<2>(to + 2 * i, word);
      }
    });
  }
  static void unpack(const uint8_t* packed, int64_t, int64_t k, CodePacking::Outputs outputs,
                     uint8_t* codes) {
    for_each_run(codes, outputs, k, packed, [](uint8_t* to, const uint8_t* from) {
      for (int64_t i = 0; i < apart; ++i) {
        const uint64_t word = load<2>(from + 2 * i);
        for (int64_t j = 0; j < in_word; ++j)
          to[apart * j + i] = static_cast<uint8_t>(word >> 4 * j & 15);
      }
    });
  }
};

}  // namespace

CodePacking awq_gemv_fast_packing() {
  CodePacking p = packing_of<FourOutputs, 4>(
      "I16 [n/4, k]: of 64 inputs, word 16 (n mod 4) + 8 (k/32 mod 2) + k mod 8, nibble k/8 mod 4",
      "AWQ (AutoAWQ version gemv_fast) qweight");
  p.dtype = DType::i16;
  p.multiples = [](int) { return CodePacking::Multiples{.n = outputs, .k = inputs}; };
  return p;
}

}  // namespace farthing
