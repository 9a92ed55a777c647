// Vec: sixteen floats as two AVX2 registers. The meaning of each operation is vec/portable.h's.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define FARTHING_INLINE inline __attribute__((always_inline))

namespace {

struct IntVec {
  __m256i low, high;
};

FARTHING_INLINE __m256i first_lanes_mask(int64_t count) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), index);
}

struct Vec {
  __m256 low, high;
  static constexpr int lanes = 16;

  static FARTHING_INLINE Vec load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
  }
  static FARTHING_INLINE Vec load_first(const float* p, int64_t count) {
    if (count >= 16) return load(p);
    if (count > 8)
      return {_mm256_loadu_ps(p), _mm256_maskload_ps(p + 8, first_lanes_mask(count - 8))};
    return {_mm256_maskload_ps(p, first_lanes_mask(count)), _mm256_setzero_ps()};
  }
  FARTHING_INLINE void store(float* p) const {
    _mm256_storeu_ps(p, low);
    _mm256_storeu_ps(p + 8, high);
  }
  FARTHING_INLINE void store_first(float* p, int64_t count) const {
    if (count >= 16) return store(p);
    if (count > 8) {
      _mm256_storeu_ps(p, low);
      _mm256_maskstore_ps(p + 8, first_lanes_mask(count - 8), high);
    } else {
      _mm256_maskstore_ps(p, first_lanes_mask(count), low);
    }
  }
  static FARTHING_INLINE Vec broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static FARTHING_INLINE Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static FARTHING_INLINE Vec load_f16(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
  }
  static FARTHING_INLINE __m256 eight_bf16(const uint16_t* p) {
    const __m256i wide =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
  static FARTHING_INLINE Vec load_bf16(const uint16_t* p) {
    return {eight_bf16(p), eight_bf16(p + 8)};
  }
  static FARTHING_INLINE Vec load_bytes(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
  }
};

FARTHING_INLINE void transpose_eight(__m256 (&rows)[8]) {
  __m256 pairs[8], fours[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 2
  for (int g = 0; g < 8; g += 4) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      fours[g + 2 * half] = _mm256_shuffle_ps(pairs[g + half], pairs[g + 2 + half], 0x44);
      fours[g + 2 * half + 1] = _mm256_shuffle_ps(pairs[g + half], pairs[g + 2 + half], 0xee);
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    rows[c] = _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x20);
    rows[c + 4] = _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x31);
  }
}
FARTHING_INLINE void transpose(Vec (&rows)[16]) {
  __m256 block[2][2][8];  // rows, columns
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    block[0][0][i] = rows[i].low;
    block[0][1][i] = rows[i].high;
    block[1][0][i] = rows[8 + i].low;
    block[1][1][i] = rows[8 + i].high;
  }
  transpose_eight(block[0][0]);
  transpose_eight(block[0][1]);
  transpose_eight(block[1][0]);
  transpose_eight(block[1][1]);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    rows[i] = {block[0][0][i], block[1][0][i]};
    rows[8 + i] = {block[0][1][i], block[1][1][i]};
  }
}

FARTHING_INLINE Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
FARTHING_INLINE Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
FARTHING_INLINE Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
FARTHING_INLINE Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
FARTHING_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
FARTHING_INLINE Vec max(Vec a, Vec b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
FARTHING_INLINE Vec min(Vec a, Vec b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
FARTHING_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)}; }
FARTHING_INLINE Vec abs(Vec a) {
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {_mm256_and_ps(a.low, mask), _mm256_and_ps(a.high, mask)};
}
FARTHING_INLINE Vec round_even(Vec a) {
  const Vec magic = Vec::broadcast(12582912.0f);
  return (a + magic) - magic;
}
FARTHING_INLINE Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.low, x.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
          _mm256_blendv_ps(y.high, x.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
FARTHING_INLINE __m256 eight_powers_of_two(__m256 a) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvttps_epi32(a), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
FARTHING_INLINE Vec power_of_two(Vec a) {
  return {eight_powers_of_two(a.low), eight_powers_of_two(a.high)};
}
FARTHING_INLINE __m256 eight_scaled(__m256 a, __m256 n) {
  const __m256i whole = _mm256_cvttps_epi32(n), first = _mm256_srai_epi32(whole, 1);
  const __m256i second = _mm256_sub_epi32(whole, first), bias = _mm256_set1_epi32(127);
  const __m256i low = _mm256_slli_epi32(_mm256_add_epi32(first, bias), 23);
  const __m256i high = _mm256_slli_epi32(_mm256_add_epi32(second, bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
}
FARTHING_INLINE Vec scale_by_power(Vec a, Vec n) {
  return {eight_scaled(a.low, n.low), eight_scaled(a.high, n.high)};
}
FARTHING_INLINE Vec select_first(int64_t count, Vec a, Vec b) {
  return {_mm256_blendv_ps(b.low, a.low, _mm256_castsi256_ps(first_lanes_mask(count))),
          _mm256_blendv_ps(b.high, a.high, _mm256_castsi256_ps(first_lanes_mask(count - 8)))};
}
FARTHING_INLINE IntVec to_int(Vec a) {
  return {_mm256_cvttps_epi32(a.low), _mm256_cvttps_epi32(a.high)};
}
FARTHING_INLINE Vec to_float(IntVec a) {
  return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)};
}

FARTHING_INLINE IntVec load_int(const int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
FARTHING_INLINE void store_int(IntVec a, int32_t* p) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), a.high);
}
FARTHING_INLINE IntVec load_bytes(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
}
FARTHING_INLINE void store_bytes(IntVec a, int8_t* p) {
  // packs work inside 128-bit halves: 0..3 8..11 | 4..7 12..15, put in order by one permutation
  const __m256i words = _mm256_packs_epi32(a.low, a.high);
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
FARTHING_INLINE IntVec operator-(IntVec a, IntVec b) {
  return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}
template <int shift>
FARTHING_INLINE IntVec bits_from(IntVec a, int32_t mask) {
  const __m256i m = _mm256_set1_epi32(mask);
  return {_mm256_and_si256(_mm256_srli_epi32(a.low, shift), m),
          _mm256_and_si256(_mm256_srli_epi32(a.high, shift), m)};
}

// One shuffle moves a byte down and clears the others; nibbles are parted for all of a dword at
// once.
constexpr float whole_base = 0;
template <int bits, int shift>
FARTHING_INLINE __m256i eight_codes(__m256i a) {
  constexpr int byte = shift / 8;
  if constexpr (bits == 4) {
    const __m256i nibbles = _mm256_set1_epi8(15);
    a = _mm256_and_si256(shift % 8 == 0 ? a : _mm256_srli_epi32(a, 4), nibbles);
  }
  constexpr int cleared = static_cast<int>(0x80808000);
  const __m128i order = _mm_setr_epi32(cleared | byte, cleared | (byte + 4), cleared | (byte + 8),
                                       cleared | (byte + 12));
  return _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(order));
}
template <int bits, int shift>
FARTHING_INLINE Vec whole_at(IntVec codes) {
  return {_mm256_cvtepi32_ps(eight_codes<bits, shift>(codes.low)),
          _mm256_cvtepi32_ps(eight_codes<bits, shift>(codes.high))};
}

struct Book {
  __m256 low, high;
  static FARTHING_INLINE Book load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
  }
};
template <int bits>
FARTHING_INLINE __m256 eight_numbers(const Book& book, __m256i index) {
  const __m256 low = _mm256_permutevar8x32_ps(book.low, index);  // reads the three lowest bits
  if constexpr (bits == 2) return low;
  const __m256 high = _mm256_permutevar8x32_ps(book.high, index);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
}
template <int bits, int shift>
FARTHING_INLINE Vec numbers_at(const Book& book, IntVec codes) {
  return {eight_numbers<bits>(book, _mm256_srli_epi32(codes.low, shift)),
          eight_numbers<bits>(book, _mm256_srli_epi32(codes.high, shift))};
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
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(words)),
          _mm256_cvtph_ps(_mm256_extracti128_si256(words, 1))};
}

FARTHING_INLINE float sum_of_lanes(Vec a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
FARTHING_INLINE float max_of_lanes(Vec a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace
