// Sixteen floats in the registers of the instruction set that the file is compiled for: four of
// SSE2, two of AVX2, one of AVX-512. Every operation is a lane's own and rounded once, so its bits
// are the same in all of them.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define FARTHING_LANES inline __attribute__((always_inline))

namespace {

#if defined(__AVX512F__)
using Register = __m512;
FARTHING_LANES Register register_at(const float* p) { return _mm512_loadu_ps(p); }
FARTHING_LANES void put_register(float* p, Register a) { _mm512_storeu_ps(p, a); }
FARTHING_LANES Register register_of(float x) { return _mm512_set1_ps(x); }
// With a mask of all lanes: g++ 12 warns of the others' own variable (GCC bug 105593).
FARTHING_LANES Register min(Register a, Register b) { return _mm512_maskz_min_ps(0xffff, a, b); }
FARTHING_LANES Register max(Register a, Register b) { return _mm512_maskz_max_ps(0xffff, a, b); }
FARTHING_LANES Register select_less(Register a, Register b, Register x, Register y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
FARTHING_LANES Register abs(Register a) { return _mm512_abs_ps(a); }
#elif defined(__AVX2__)
using Register = __m256;
FARTHING_LANES Register register_at(const float* p) { return _mm256_loadu_ps(p); }
FARTHING_LANES void put_register(float* p, Register a) { _mm256_storeu_ps(p, a); }
FARTHING_LANES Register register_of(float x) { return _mm256_set1_ps(x); }
FARTHING_LANES Register min(Register a, Register b) { return _mm256_min_ps(a, b); }
FARTHING_LANES Register max(Register a, Register b) { return _mm256_max_ps(a, b); }
FARTHING_LANES Register select_less(Register a, Register b, Register x, Register y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
FARTHING_LANES Register abs(Register a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
#else
using Register = __m128;
FARTHING_LANES Register register_at(const float* p) { return _mm_loadu_ps(p); }
FARTHING_LANES void put_register(float* p, Register a) { _mm_storeu_ps(p, a); }
FARTHING_LANES Register register_of(float x) { return _mm_set1_ps(x); }
FARTHING_LANES Register min(Register a, Register b) { return _mm_min_ps(a, b); }
FARTHING_LANES Register max(Register a, Register b) { return _mm_max_ps(a, b); }
FARTHING_LANES Register select_less(Register a, Register b, Register x, Register y) {
  const Register less = _mm_cmplt_ps(a, b);
  return _mm_or_ps(_mm_and_ps(less, x), _mm_andnot_ps(less, y));
}
FARTHING_LANES Register abs(Register a) { return _mm_andnot_ps(_mm_set1_ps(-0.0f), a); }
#endif

struct Sixteen {
  static constexpr int count = 64 / sizeof(Register), width = 16 / count;
  Register part[count];

  static FARTHING_LANES Sixteen at(const float* p) {
    return each([&](int i) { return register_at(p + i * width); });
  }
  static FARTHING_LANES Sixteen of(float x) {
    return each([&](int) { return register_of(x); });
  }
  FARTHING_LANES void put(float* p) const {
    for (int i = 0; i < count; ++i) put_register(p + i * width, part[i]);
  }
  template <class Part>
  static FARTHING_LANES Sixteen each(const Part& of_part) {
    Sixteen out;
    for (int i = 0; i < count; ++i) out.part[i] = of_part(i);
    return out;
  }
};

FARTHING_LANES Sixteen operator+(Sixteen a, Sixteen b) {
  return Sixteen::each([&](int i) { return a.part[i] + b.part[i]; });
}
FARTHING_LANES Sixteen operator-(Sixteen a, Sixteen b) {
  return Sixteen::each([&](int i) { return a.part[i] - b.part[i]; });
}
FARTHING_LANES Sixteen operator*(Sixteen a, Sixteen b) {
  return Sixteen::each([&](int i) { return a.part[i] * b.part[i]; });
}
FARTHING_LANES Sixteen operator/(Sixteen a, Sixteen b) {
  return Sixteen::each([&](int i) { return a.part[i] / b.part[i]; });
}
// b where a lane is no number.
FARTHING_LANES Sixteen min(Sixteen a, Sixteen b) {
  return Sixteen::each([&](int i) { return min(a.part[i], b.part[i]); });
}
FARTHING_LANES Sixteen max(Sixteen a, Sixteen b) {
  return Sixteen::each([&](int i) { return max(a.part[i], b.part[i]); });
}
// x where a < b, else y.
FARTHING_LANES Sixteen select_less(Sixteen a, Sixteen b, Sixteen x, Sixteen y) {
  return Sixteen::each(
      [&](int i) { return select_less(a.part[i], b.part[i], x.part[i], y.part[i]); });
}
FARTHING_LANES Sixteen abs(Sixteen a) {
  return Sixteen::each([&](int i) { return abs(a.part[i]); });
}
// To nearest, ties to even, for |a| < 2^22.
FARTHING_LANES Sixteen round_even(Sixteen a) {
  const Sixteen magic = Sixteen::of(12582912.0f);  // 1.5 * 2^23
  return (a + magic) - magic;
}
// 1 / a, and 0 where that is no finite number.
FARTHING_LANES Sixteen reciprocal(Sixteen a) {
  const Sixteen inverse = Sixteen::of(1.0f) / a;
  return select_less(abs(inverse), Sixteen::of(__builtin_inff()), inverse, Sixteen::of(0.0f));
}

}  // namespace
