// Scales and zero points of static activation formats.
#include "formats/static_input.h"

#include <limits>

#include "base/check.h"
#include "formats/small_floats/small_float.h"

namespace farthing {
namespace {

// The scale of NVFP4's largest block scale times its largest element.
constexpr float nvfp4_largest = E4m3::largest * E2m1::largest;
constexpr float int8_largest = 127;

float above_zero(float scale) { return scale > 0 ? scale : 1; }

}  // namespace

StaticInput static_input(Activations activations, const Extremes& seen) {
  CHECK(is_static(activations) && seen.finite);
  switch (activations) {
    case Activations::int8_static_asym: {
      const float scale = above_zero((seen.high - seen.low) / 255);
      const float zero = round_even(-128 - seen.low / scale);
      return {scale, static_cast<int32_t>(zero < -128 ? -128 : zero > 127 ? 127 : zero)};
    }
    case Activations::fp8_e4m3_static:
      return {above_zero(seen.amax() / E4m3::largest), 0};
    case Activations::nvfp4:
      return {above_zero(seen.amax() / nvfp4_largest), 0};
    default:
      return {above_zero(seen.amax() / int8_largest), 0};
  }
}

bool is_valid(Activations activations, StaticInput input) {
  if (!is_static(activations)) return input == StaticInput{};
  const bool zero = activations_info(activations).has_zero_point
                        ? input.zero >= -128 && input.zero <= 127
                        : input.zero == 0;
  return is_finite(input.scale) && input.scale > 0 && zero;
}

InputRange range_of(const InputRounding& rounding) {
  const auto [scale, zero] = rounding.parameters;
  const auto symmetric = [s = scale](float largest) {
    return InputRange{-largest * s, largest * s};
  };
  switch (rounding.activations) {
    case Activations::int8_static:
      return symmetric(int8_largest + 0.5f);
    case Activations::int8_static_asym:
      return {(-128.5f - static_cast<float>(zero)) * scale,
              (127.5f - static_cast<float>(zero)) * scale};
    case Activations::fp8_e4m3_static:
      return symmetric(E4m3::largest + E4m3::last_step / 2);
    case Activations::nvfp4:
      return symmetric(E4m3::largest * (E2m1::largest + E2m1::last_step / 2));
    default:
      return {-std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity()};
  }
}

}  // namespace farthing
