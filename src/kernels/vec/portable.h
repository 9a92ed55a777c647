// Vec: sixteen floats, in plain C++. Defines the meaning of every operation that vec/avx2.h and
// vec/avx512.h repeat.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#define FARTHING_INLINE inline __attribute__((always_inline))

namespace {

// Sixteen int32.
struct IntVec {
  int32_t lane[16];
};

struct Vec {
  float lane[16];
  static constexpr int lanes = 16;

  static FARTHING_INLINE Vec load(const float* p) {
    Vec v;
    std::memcpy(v.lane, p, sizeof v.lane);
    return v;
  }
  // The first `count` lanes from memory, the others 0.
  static FARTHING_INLINE Vec load_first(const float* p, int64_t count) {
    Vec v{};
    for (int i = 0; i < count && i < 16; ++i) v.lane[i] = p[i];
    return v;
  }
  FARTHING_INLINE void store(float* p) const { std::memcpy(p, lane, sizeof lane); }
  FARTHING_INLINE void store_first(float* p, int64_t count) const {
    for (int i = 0; i < count && i < 16; ++i) p[i] = lane[i];
  }
  static FARTHING_INLINE Vec broadcast(float x) {
    Vec v;
    for (float& l : v.lane) l = x;
    return v;
  }
  static FARTHING_INLINE Vec zero() { return broadcast(0.0f); }
  // Sixteen f16 or bf16 as f32; exact.
  static FARTHING_INLINE Vec load_f16(const uint16_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i) {
      const uint32_t sign = static_cast<uint32_t>(p[i] & 0x8000) << 16, exponent = p[i] >> 10 & 31;
      const uint32_t mantissa = p[i] & 0x3ff;
      const float small = static_cast<float>(mantissa) * 0x1p-24f;
      const uint32_t bits = exponent == 31  ? 0x7f800000u | mantissa << 13
                            : exponent == 0 ? std::bit_cast<uint32_t>(small)
                                            : (exponent + 112) << 23 | mantissa << 13;
      v.lane[i] = std::bit_cast<float>(sign | bits);
    }
    return v;
  }
  static FARTHING_INLINE Vec load_bf16(const uint16_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i)
      v.lane[i] = std::bit_cast<float>(static_cast<uint32_t>(p[i]) << 16);
    return v;
  }
  // Unsigned bytes as floats.
  static FARTHING_INLINE Vec load_bytes(const uint8_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i) v.lane[i] = static_cast<float>(p[i]);
    return v;
  }
};

#define FARTHING_EACH(expression)                        \
  Vec out;                                               \
  for (int i = 0; i < 16; ++i) out.lane[i] = expression; \
  return out
// Lane j of row i becomes lane i of row j.
FARTHING_INLINE void transpose(Vec (&rows)[16]) {
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < i; ++j) {
      const float kept = rows[i].lane[j];
      rows[i].lane[j] = rows[j].lane[i];
      rows[j].lane[i] = kept;
    }
  }
}

FARTHING_INLINE Vec operator+(Vec a, Vec b) { FARTHING_EACH(a.lane[i] + b.lane[i]); }
FARTHING_INLINE Vec operator-(Vec a, Vec b) { FARTHING_EACH(a.lane[i] - b.lane[i]); }
FARTHING_INLINE Vec operator*(Vec a, Vec b) { FARTHING_EACH(a.lane[i] * b.lane[i]); }
FARTHING_INLINE Vec operator/(Vec a, Vec b) { FARTHING_EACH(a.lane[i] / b.lane[i]); }
// a * b + c, rounded once.
FARTHING_INLINE Vec fma(Vec a, Vec b, Vec c) {
  FARTHING_EACH(std::fma(a.lane[i], b.lane[i], c.lane[i]));
}
// As the x86 instructions: where either is NaN or both are zero, b.
FARTHING_INLINE Vec max(Vec a, Vec b) {
  FARTHING_EACH(a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]);
}
FARTHING_INLINE Vec min(Vec a, Vec b) {
  FARTHING_EACH(a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]);
}
FARTHING_INLINE Vec sqrt(Vec a) { FARTHING_EACH(__builtin_sqrtf(a.lane[i])); }
FARTHING_INLINE Vec abs(Vec a) {
  FARTHING_EACH(std::bit_cast<float>(std::bit_cast<uint32_t>(a.lane[i]) & 0x7fffffffu));
}
// Nearest whole number, ties to even, for |a| < 2^22.
FARTHING_INLINE Vec round_even(Vec a) { FARTHING_EACH((a.lane[i] + 12582912.0f) - 12582912.0f); }
// a < b ? x : y, lane by lane; false where either is NaN.
FARTHING_INLINE Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  FARTHING_EACH(a.lane[i] < b.lane[i] ? x.lane[i] : y.lane[i]);
}
// 2^a for whole a in -126..127.
FARTHING_INLINE Vec power_of_two(Vec a) {
  FARTHING_EACH(std::bit_cast<float>((static_cast<int32_t>(a.lane[i]) + 127) << 23));
}
// a * 2^n, rounded once, for whole n in -252..254 and |a| in 1/2..2 or NaN; n is not NaN.
FARTHING_INLINE Vec scale_by_power(Vec a, Vec n) {
  Vec out;
  for (int i = 0; i < 16; ++i) {
    // two exact factors: only the second product can leave the normal range
    const int32_t whole = static_cast<int32_t>(n.lane[i]), first = whole >> 1,
                  second = whole - first;
    out.lane[i] = a.lane[i] * std::bit_cast<float>((first + 127) << 23) *
                  std::bit_cast<float>((second + 127) << 23);
  }
  return out;
}
// The first `count` lanes of a, the others of b.
FARTHING_INLINE Vec select_first(int64_t count, Vec a, Vec b) {
  FARTHING_EACH(i < count ? a.lane[i] : b.lane[i]);
}
// Truncation to int32 and back; |a| < 2^31.
FARTHING_INLINE IntVec to_int(Vec a) {
  IntVec out;
  for (int i = 0; i < 16; ++i) out.lane[i] = static_cast<int32_t>(a.lane[i]);
  return out;
}
FARTHING_INLINE Vec to_float(IntVec a) { FARTHING_EACH(static_cast<float>(a.lane[i])); }
#undef FARTHING_EACH

FARTHING_INLINE IntVec load_int(const int32_t* p) {
  IntVec v;
  std::memcpy(v.lane, p, sizeof v.lane);
  return v;
}
FARTHING_INLINE void store_int(IntVec a, int32_t* p) { std::memcpy(p, a.lane, sizeof a.lane); }
// Sixteen unsigned bytes, widened.
FARTHING_INLINE IntVec load_bytes(const uint8_t* p) {
  IntVec v;
  for (int i = 0; i < 16; ++i) v.lane[i] = p[i];
  return v;
}
// The low byte of each lane (values -128..127) as int8.
FARTHING_INLINE void store_bytes(IntVec a, int8_t* p) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.lane[i]);
}
FARTHING_INLINE IntVec operator-(IntVec a, IntVec b) {
  for (int i = 0; i < 16; ++i) a.lane[i] -= b.lane[i];
  return a;
}
// (a >> shift) & mask
template <int shift>
FARTHING_INLINE IntVec bits_from(IntVec a, int32_t mask) {
  for (int i = 0; i < 16; ++i)
    a.lane[i] = static_cast<int32_t>(static_cast<uint32_t>(a.lane[i]) >> shift) & mask;
  return a;
}

// The codes of 4 or 8 bits at `shift` in each lane as numbers, plus whole_base, which an
// instruction set chooses.
constexpr float whole_base = 0;
template <int bits, int shift>
FARTHING_INLINE Vec whole_at(IntVec codes) {
  return to_float(bits_from<shift>(codes, (1 << bits) - 1));
}

// Sixteen numbers that codes choose from.
struct Book {
  float number[16];
  static FARTHING_INLINE Book load(const float* p) {
    Book b;
    std::memcpy(b.number, p, sizeof b.number);
    return b;
  }
};
// The numbers of the codes of `bits` bits at `shift` in each lane; a book of 2 bits repeats its
// four numbers.
template <int bits, int shift>
FARTHING_INLINE Vec numbers_at(const Book& book, IntVec codes) {
  Vec out;
  for (int i = 0; i < 16; ++i)
    out.lane[i] = book.number[static_cast<uint32_t>(codes.lane[i]) >> shift & 15];
  return out;
}
// Small floats with 2 or 3 bits of mantissa, a byte of each of sixteen words, as the halves that
// have the sign and, below it, the same bits: the value times 2^(bias - 15), exact. No code is NaN
// but those of E5M2.
template <int mantissa, bool high>
FARTHING_INLINE Vec small_floats(const uint16_t* p) {
  uint16_t halves[16];
  for (int i = 0; i < 16; ++i) {
    const int byte = high ? p[i] >> 8 : p[i] & 255;
    halves[i] = static_cast<uint16_t>((byte & 128) << 8 | (byte & 127) << (10 - mantissa));
  }
  return Vec::load_f16(halves);
}

// The fixed tree of sixteen lanes: lane i + lane i+8, then +4, +2, +1.
FARTHING_INLINE float sum_of_lanes(Vec a) {
  for (int width = 8; width >= 1; width /= 2)
    for (int i = 0; i < width; ++i) a.lane[i] = a.lane[i] + a.lane[i + width];
  return a.lane[0];
}
FARTHING_INLINE float max_of_lanes(Vec a) {
  for (int width = 8; width >= 1; width /= 2)
    for (int i = 0; i < width; ++i)
      a.lane[i] = a.lane[i] > a.lane[i + width] ? a.lane[i] : a.lane[i + width];
  return a.lane[0];
}

}  // namespace
