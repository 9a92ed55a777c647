// The named rules that choose the scale of a group; quantizers and the trainer share them.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

namespace farthing {

// Names and conventions: the five in use differ in the divisor and in the lowest code; mixing two
// of them between writer and reader is a known source of silent damage, so each has a name. b =
// bits, amax = largest |weight|.
enum class ScaleRule {
  half_step,  // amax / (2^(b-1) - 0.5), codes from -2^(b-1): compressed-tensors, GPTQ symmetric
  wide,       // amax / (2^(b-1) - 1), codes from -2^(b-1): QuaRot, ParetoQ
  narrow,     // amax / (2^(b-1) - 1), codes from -(2^(b-1) - 1): Kimi K2, SmoothQuant
  signed_,    // -(extreme weight) / 2^(b-1), so that the extreme becomes the lowest code: GGUF Q4_0
  min_max,    // asymmetric: (max(hi, 0) - min(lo, 0)) / (2^b - 1)
};

inline constexpr ScaleRule all_scale_rules[] = {ScaleRule::half_step, ScaleRule::wide,
                                                ScaleRule::narrow, ScaleRule::signed_,
                                                ScaleRule::min_max};

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
};

inline Extremes extremes_of(const float* values, int64_t count) {
  Extremes out;
  float poison = 0;  // 0 * x is 0 exactly for every finite x
  for (int64_t i = 0; i < count; ++i) {
    out.low = values[i] < out.low ? values[i] : out.low;
    out.high = values[i] > out.high ? values[i] : out.high;
    poison += values[i] * 0.0f;
  }
  out.finite = poison == 0.0f;
  return out;
}

// The scale of a group before it is rounded to its stored type.
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
  }
  return 0;
}

// Round to nearest, ties to even, for |x| < 2^22, without libm.
inline float round_even(float x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23
  return (x + magic) - magic;
}

}  // namespace farthing
