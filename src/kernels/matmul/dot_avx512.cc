// int8 dot kernels for AVX-512 VNNI: vpdpbusd of unsigned weight codes with signed activation
// codes, never saturating.
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/shards.h"
#include "kernels/vec/avx512.h"

namespace {
constexpr int most_tokens = 12;

FARTHING_INLINE __m512i four_codes(const int8_t* x) {
  int32_t word;
  __builtin_memcpy(&word, x, 4);
  return _mm512_set1_epi32(word);
}

template <int bits, int tokens>
FARTHING_INLINE void dot_block(const std::byte* codes, const int8_t* x, int64_t x_stride,
                               const int32_t* sums, int64_t sums_stride, const uint8_t* zeros,
                               IntVec* whole) {
  constexpr int middle = 1 << (bits - 1);
  if (zeros == nullptr) {
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t)
      whole[t].all = _mm512_set1_epi32(-middle * sums[t * sums_stride]);
  } else {
    // zero <= 255 and |sum| <= 32 * 127 both fit 16 bits, so one vpmaddwd of (zero, 0) with (sum,
    // *) is the product.
    const __m512i zero =
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(zeros)));
#pragma GCC unroll 16
    for (int t = 0; t < tokens; ++t)
      whole[t].all = _mm512_madd_epi16(zero, _mm512_set1_epi32(-sums[t * sums_stride] & 0xffff));
  }
  if constexpr (bits == 4) {
    const __m512i low_nibbles = _mm512_set1_epi8(15);
#pragma GCC unroll 4
    for (int chunk = 0; chunk < 4; ++chunk) {
      const __m512i raw = _mm512_load_si512(codes + chunk * 64);
      const __m512i low = _mm512_and_si512(raw, low_nibbles);
      const __m512i high = _mm512_and_si512(_mm512_srli_epi16(raw, 4), low_nibbles);
#pragma GCC unroll 16
      for (int t = 0; t < tokens; ++t) {
        whole[t].all =
            _mm512_dpbusd_epi32(whole[t].all, low, four_codes(x + t * x_stride + chunk * 8));
        whole[t].all =
            _mm512_dpbusd_epi32(whole[t].all, high, four_codes(x + t * x_stride + chunk * 8 + 4));
      }
    }
  } else {
#pragma GCC unroll 8
    for (int chunk = 0; chunk < 8; ++chunk) {
      const __m512i weight = _mm512_load_si512(codes + chunk * 64);
#pragma GCC unroll 16
      for (int t = 0; t < tokens; ++t)
        whole[t].all =
            _mm512_dpbusd_epi32(whole[t].all, weight, four_codes(x + t * x_stride + chunk * 4));
    }
  }
}

#include "kernels/matmul/dot.inc"
}  // namespace

namespace farthing {
extern const MatmulFunctions dot_avx512{ProductInput::int8_blocks, Packing::integers, run_dot};
}  // namespace farthing
