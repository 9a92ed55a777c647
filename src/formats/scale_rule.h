// The named rules that choose the scale of a group; quantizers and the trainer share them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

namespace farthing {

// Names and conventions: the five of integers differ in the divisor and in the lowest code; mixing
// two of them between writer and reader is a known source of silent damage, so each has a name. b =
// bits, amax = largest |weight|.
enum class ScaleRule {
  half_step,  // amax / (2^(b-1) - 0.5), codes from -2^(b-1): compressed-tensors, GPTQ symmetric
  wide,       // amax / (2^(b-1) - 1), codes from -2^(b-1): QuaRot, ParetoQ
  narrow,     // amax / (2^(b-1) - 1), codes from -(2^(b-1) - 1): Kimi K2, SmoothQuant
  signed_,    // -(extreme weight) / 2^(b-1), so that the extreme becomes the lowest code: GGUF Q4_0
  min_max,    // asymmetric: (max(hi, 0) - min(lo, 0)) / (2^b - 1)
  // Powers of two (MX). E = the exponent of the element's largest value, M its mantissa bits.
  floor,  // 2^(floor(log2 amax) - E): the OCP text; the largest weights may be clipped
  rceil,  // the least power of two with which amax is not clipped
  even,   // as floor, of amax rounded to M mantissa bits, ties up: the extreme takes its nearest
          // code
};

inline constexpr ScaleRule all_scale_rules[] = {
    ScaleRule::half_step, ScaleRule::wide,  ScaleRule::narrow, ScaleRule::signed_,
    ScaleRule::min_max,   ScaleRule::floor, ScaleRule::rceil,  ScaleRule::even};

constexpr std::string_view scale_rule_name(ScaleRule rule) {
  switch (rule) {
    case ScaleRule::half_step:
      return "half_step";
    case ScaleRule::wide:
      return "wide";
    case ScaleRule::narrow:
      return "narrow";
    case ScaleRule::signed_:
      return "signed";
    case ScaleRule::min_max:
      return "min_max";
    case ScaleRule::floor:
      return "floor";
    case ScaleRule::rceil:
      return "rceil";
    case ScaleRule::even:
      return "even";
  }
  return "?";
}

constexpr std::optional<ScaleRule> find_scale_rule(std::string_view name) {
  for (ScaleRule rule : all_scale_rules)
    if (scale_rule_name(rule) == name) return rule;
  return std::nullopt;
}

// Extremes of a group of weights.
struct Extremes {
  float low = 0, high = 0;  // 0 is always inside
  bool finite = true;
  float amax() const { return -low > high ? -low : high; }  // +0 of zeros
  void join(const Extremes& other) {
    low = other.low < low ? other.low : low;
    high = other.high > high ? other.high : high;
    finite = finite && other.finite;
  }
};

// Four lanes that the compiler keeps in a vector; the order does not matter to extremes.
inline Extremes extremes_of(const float* values, int64_t count) {
  constexpr int lanes = 4;
  constexpr int32_t infinity = 0x7f800000;
  const auto is_huge = [](float x) {
    return (std::bit_cast<int32_t>(x) & 0x7fffffff) >= infinity ? -1 : 0;
  };
  float low[lanes] = {}, high[lanes] = {};
  int32_t huge[lanes] = {};
  const int64_t whole = count - count % lanes;
  for (int64_t i = 0; i < whole; i += lanes) {
    for (int j = 0; j < lanes; ++j) {
      const float x = values[i + j];
      low[j] = x < low[j] ? x : low[j];
      high[j] = x > high[j] ? x : high[j];
      huge[j] |= is_huge(x);
    }
  }
  Extremes all;
  int32_t any_huge = 0;
  const auto join = [&](float lowest, float highest, int32_t is) {
    all.low = lowest < all.low ? lowest : all.low;
    all.high = highest > all.high ? highest : all.high;
    any_huge |= is;
  };
  for (int j = 0; j < lanes; ++j) join(low[j], high[j], huge[j]);
  for (int64_t i = whole; i < count; ++i) join(values[i], values[i], is_huge(values[i]));
  all.finite = any_huge == 0;
  return all;
}

// The largest magnitude; not finite where one of the values is not.
inline float amax_of(const float* values, int64_t count) {
  int32_t largest = 0;  // magnitudes are ordered as their bits
  for (int64_t i = 0; i < count; ++i) {
    const int32_t magnitude = std::bit_cast<int32_t>(values[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  return std::bit_cast<float>(largest);
}
inline bool is_finite(float x) { return x - x == 0; }

// The scale of a group of integers before it is rounded to its stored type.
inline float unrounded_scale(ScaleRule rule, int bits, const Extremes& e) {
  const float middle = static_cast<float>(1 << (bits - 1));
  switch (rule) {
    case ScaleRule::half_step:
      return e.amax() / (middle - 0.5f);
    case ScaleRule::wide:
    case ScaleRule::narrow:
      return e.amax() / (middle - 1.0f);
    case ScaleRule::signed_:
      return (e.high > -e.low ? e.high : e.low) / -middle;
    case ScaleRule::min_max:
      return (e.high - e.low) / (2 * middle - 1);
    case ScaleRule::floor:  // power_of_two_scale
    case ScaleRule::rceil:
    case ScaleRule::even:
      break;
  }
  return 0;
}

// The code e of the scale 2^(e - 127) (E8M0) of a block of small floats, 0 to 254. `largest` is the
// element's largest value, `mantissa` its bits. What is below 2^-127, zeros too, gets 2^-127.
inline int power_of_two_scale(ScaleRule rule, float amax, float largest, int mantissa) {
  constexpr uint32_t fraction = (1u << 23) - 1;
  uint32_t bits = std::bit_cast<uint32_t>(amax);
  const uint32_t most = std::bit_cast<uint32_t>(largest);
  if (rule == ScaleRule::even) bits += 1u << (22 - mantissa);
  int code = static_cast<int>(bits >> 23) - static_cast<int>(most >> 23) + 127;
  // A subnormal amax is below every rule's lowest scale.
  if (rule == ScaleRule::rceil && (bits & fraction) > (most & fraction)) ++code;
  return code < 0 ? 0 : code > 254 ? 254 : code;
}

// Round to nearest, ties to even, for |x| < 2^22, without libm.
inline float round_even(float x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23
  return (x + magic) - magic;
}

}  // namespace farthing
