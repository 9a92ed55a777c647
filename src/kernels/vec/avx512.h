// Vec: sixteen floats as one AVX-512 register. The meaning of each operation is vec/portable.h's.
#pragma once

// g++ 12 warns of its own headers' _mm512_undefined (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

#define FARTHING_INLINE inline __attribute__((always_inline))

namespace {

struct IntVec {
  __m512i all;
};

FARTHING_INLINE __mmask16 first_lanes_mask(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1);
}

struct Vec {
  __m512 all;
  static constexpr int lanes = 16;

  static FARTHING_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static FARTHING_INLINE Vec load_first(const float* p, int64_t count) {
    return {_mm512_maskz_loadu_ps(first_lanes_mask(count), p)};
  }
  FARTHING_INLINE void store(float* p) const { _mm512_storeu_ps(p, all); }
  FARTHING_INLINE void store_first(float* p, int64_t count) const {
    _mm512_mask_storeu_ps(p, first_lanes_mask(count), all);
  }
  static FARTHING_INLINE Vec broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static FARTHING_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
  static FARTHING_INLINE Vec load_f16(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static FARTHING_INLINE Vec load_bf16(const uint16_t* p) {
    const __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
  }
  static FARTHING_INLINE Vec load_bytes(const uint8_t* p) {
    return {_mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
};

FARTHING_INLINE void transpose(Vec (&rows)[16]) {
  __m512 pairs[16], fours[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(rows[i].all, rows[i + 1].all);
    pairs[i + 1] = _mm512_unpackhi_ps(rows[i].all, rows[i + 1].all);
  }
  // fours[4 g + c]: in each quarter q column 4 q + c of rows 4 g to 4 g + 3
#pragma GCC unroll 4
  for (int g = 0; g < 16; g += 4) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512d a = _mm512_castps_pd(pairs[g + half]),
                    b = _mm512_castps_pd(pairs[g + 2 + half]);
      fours[g + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      fours[g + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 even_low = _mm512_shuffle_f32x4(fours[c], fours[4 + c], 0x88);
    const __m512 odd_low = _mm512_shuffle_f32x4(fours[c], fours[4 + c], 0xdd);
    const __m512 even_high = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0x88);
    const __m512 odd_high = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0xdd);
    rows[c].all = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
    rows[c + 4].all = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
    rows[c + 8].all = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
    rows[c + 12].all = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
  }
}

FARTHING_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.all, b.all)}; }
FARTHING_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.all, b.all)}; }
FARTHING_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.all, b.all)}; }
FARTHING_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.all, b.all)}; }
FARTHING_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.all, b.all, c.all)}; }
FARTHING_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.all, b.all)}; }
FARTHING_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.all, b.all)}; }
FARTHING_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.all)}; }
FARTHING_INLINE Vec abs(Vec a) { return {_mm512_abs_ps(a.all)}; }
FARTHING_INLINE Vec round_even(Vec a) {
  const Vec magic = Vec::broadcast(12582912.0f);
  return (a + magic) - magic;
}
FARTHING_INLINE Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.all, b.all, _CMP_LT_OQ), y.all, x.all)};
}
FARTHING_INLINE Vec power_of_two(Vec a) {
  const __m512i biased = _mm512_add_epi32(_mm512_cvttps_epi32(a.all), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
}
FARTHING_INLINE Vec scale_by_power(Vec a, Vec n) { return {_mm512_scalef_ps(a.all, n.all)}; }
FARTHING_INLINE Vec select_first(int64_t count, Vec a, Vec b) {
  return {_mm512_mask_blend_ps(first_lanes_mask(count), b.all, a.all)};
}
FARTHING_INLINE IntVec to_int(Vec a) { return {_mm512_cvttps_epi32(a.all)}; }
FARTHING_INLINE Vec to_float(IntVec a) { return {_mm512_cvtepi32_ps(a.all)}; }

FARTHING_INLINE IntVec load_int(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
FARTHING_INLINE void store_int(IntVec a, int32_t* p) { _mm512_storeu_si512(p, a.all); }
FARTHING_INLINE IntVec load_bytes(const uint8_t* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
FARTHING_INLINE void store_bytes(IntVec a, int8_t* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.all));
}
FARTHING_INLINE IntVec operator-(IntVec a, IntVec b) { return {_mm512_sub_epi32(a.all, b.all)}; }
template <int shift>
FARTHING_INLINE IntVec bits_from(IntVec a, int32_t mask) {
  return {_mm512_and_si512(_mm512_srli_epi32(a.all, shift), _mm512_set1_epi32(mask))};
}

constexpr float whole_base = 8388608;
template <int bits, int shift>
FARTHING_INLINE Vec whole_at(IntVec codes) {
  // (lanes & mask) | the bits of 2^23
  const __m512i low = shift == 0 ? codes.all : _mm512_srli_epi32(codes.all, shift),
                mask = _mm512_set1_epi32((1 << bits) - 1);
  return {_mm512_castsi512_ps(
      _mm512_ternarylogic_epi32(low, mask, _mm512_set1_epi32(0x4b000000), 0xea))};
}

struct Book {
  __m512 number;
  static FARTHING_INLINE Book load(const float* p) { return {_mm512_loadu_ps(p)}; }
};
template <int bits, int shift>
FARTHING_INLINE Vec numbers_at(const Book& book, IntVec codes) {
  // reads the four lowest bits of an index
  return {_mm512_permutexvar_ps(shift == 0 ? codes.all : _mm512_srli_epi32(codes.all, shift),
                                book.number)};
}
template <int mantissa, bool high>
FARTHING_INLINE Vec small_floats(const uint16_t* p) {
  __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  if constexpr (!high) words = _mm256_slli_epi16(words, 8);
  if constexpr (mantissa == 3) {
    words = _mm256_and_si256(_mm256_srai_epi16(words, 1),
                             _mm256_set1_epi16(static_cast<int16_t>(0xbf80)));
  } else if constexpr (high) {
    words = _mm256_and_si256(words, _mm256_set1_epi16(static_cast<int16_t>(0xff00)));
  }
  return {_mm512_cvtph_ps(words)};
}

FARTHING_INLINE float sum_of_lanes(Vec a) {
  const __m256 eight =
      _mm256_add_ps(_mm512_castps512_ps256(a.all), _mm512_extractf32x8_ps(a.all, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
FARTHING_INLINE float max_of_lanes(Vec a) {
  const __m256 eight =
      _mm256_max_ps(_mm512_castps512_ps256(a.all), _mm512_extractf32x8_ps(a.all, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace
