// int8 dot kernels for AVX2 without VNNI: vpmaddubsw where its 16-bit sums provably cannot
// saturate.
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/shards.h"
#include "kernels/vec/avx2.h"

namespace {
constexpr int most_tokens = 4;

FARTHING_INLINE __m256i four_codes(const int8_t* x) {
  int32_t word;
  __builtin_memcpy(&word, x, 4);
  return _mm256_set1_epi32(word);
}

// Eight outputs (half a panel): `half` 0 or 1.
template <int bits, int tokens>
FARTHING_INLINE void dot_half(const std::byte* codes, int half, const int8_t* x, int64_t x_stride,
                              const int32_t* sums, int64_t sums_stride, const uint8_t* zeros,
                              __m256i* whole) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (bits == 4) {
    static_assert(2 * 15 * 127 * 8 <= 32767, "eight results of vpmaddubsw are added in 16 bits");
    const __m256i low_nibbles = _mm256_set1_epi8(15);
    __m256i words[tokens];
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t) words[t] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int chunk = 0; chunk < 4; ++chunk) {
      const __m256i raw =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + chunk * 64 + half * 32));
      const __m256i low = _mm256_and_si256(raw, low_nibbles);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(raw, 4), low_nibbles);
#pragma GCC unroll 16
      for (int t = 0; t < tokens; ++t) {
        const int8_t* at = x + t * x_stride + chunk * 8;
        words[t] = _mm256_add_epi16(words[t], _mm256_maddubs_epi16(low, four_codes(at)));
        words[t] = _mm256_add_epi16(words[t], _mm256_maddubs_epi16(high, four_codes(at + 4)));
      }
    }
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t) whole[t] = _mm256_madd_epi16(words[t], ones);
  } else {
    static_assert(2 * 128 * 127 <= 32767,
                  "one result of vpmaddubsw on |weight| <= 128 and |activation| <= 127");
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t) whole[t] = _mm256_setzero_si256();
    const __m256i flip = _mm256_set1_epi8(-128);
#pragma GCC unroll 8
    for (int chunk = 0; chunk < 8; ++chunk) {
      const __m256i raw =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + chunk * 64 + half * 32));
      const __m256i weight = _mm256_xor_si256(raw, flip);  // code - 128, signed
      const __m256i magnitude = _mm256_abs_epi8(weight);
#pragma GCC unroll 16
      for (int t = 0; t < tokens; ++t) {
        const __m256i input = _mm256_sign_epi8(four_codes(x + t * x_stride + chunk * 4), weight);
        whole[t] = _mm256_add_epi32(
            whole[t], _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, input), ones));
      }
    }
  }
  // The sums above are of code (4 bits) or code - 128 (8 bits); the rest of the zero times the sum
  // of activations:
  constexpr int already = bits == 4 ? 0 : 128;
  if (zeros == nullptr) {
    constexpr int rest = (1 << (bits - 1)) - already;
    if constexpr (rest != 0) {
#pragma GCC unroll 16
      for (int t = 0; t < tokens; ++t)
        whole[t] = _mm256_sub_epi32(whole[t], _mm256_set1_epi32(rest * sums[t * sums_stride]));
    }
  } else {
    const __m256i zero = _mm256_sub_epi32(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros + half * 8))),
        _mm256_set1_epi32(already));
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t)
      whole[t] = _mm256_sub_epi32(
          whole[t], _mm256_mullo_epi32(zero, _mm256_set1_epi32(sums[t * sums_stride])));
  }
}

template <int bits, int tokens>
FARTHING_INLINE void dot_block(const std::byte* codes, const int8_t* x, int64_t x_stride,
                               const int32_t* sums, int64_t sums_stride, const uint8_t* zeros,
                               IntVec* whole) {
  __m256i low[tokens], high[tokens];
  dot_half<bits, tokens>(codes, 0, x, x_stride, sums, sums_stride, zeros, low);
  dot_half<bits, tokens>(codes, 1, x, x_stride, sums, sums_stride, zeros, high);
#pragma GCC unroll 16
  for (int t = 0; t < tokens; ++t) whole[t] = {low[t], high[t]};
}

#include "kernels/matmul/dot.inc"
}  // namespace

namespace farthing {
extern const MatmulFunctions dot_avx2{ProductInput::int8_blocks, Packing::integers, run_dot};
}  // namespace farthing
