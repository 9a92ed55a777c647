// Scales and zero points of static activation formats.
#include "formats/static_input.h"

#include <limits>

#include "base/check.h"
#include "formats/small_floats/nvfp4.h"

namespace farthing {
namespace {

// The scale of NVFP4's largest block scale times its largest element.
constexpr float nvfp4_largest = E4m3::largest * E2m1::largest;
constexpr float int8_largest = 127;

float above_zero(float scale) { return scale > 0 ? scale : 1; }

}  // namespace

StaticInput static_input(Activations activations, const Extremes& seen) {
  CHECK(is_static(activations) && !has_outliers(activations) && seen.finite);
  switch (activations) {
    case Activations::int8_static_asym: {
      const float scale = above_zero((seen.high - seen.low) / 255);
      const float zero = round_even(-128 - seen.low / scale);
      return {scale, static_cast<int32_t>(zero < -128 ? -128 : zero > 127 ? 127 : zero)};
    }
    case Activations::fp8_e4m3_static:
      return {above_zero(seen.amax() / E4m3::largest), 0};
    case Activations::nvfp4:
      return {above_zero(invertible_scale(seen.amax() / nvfp4_largest)), 0};
    default:
      return {above_zero(seen.amax() / int8_largest), 0};
  }
}

StaticInput outlier_input(Activations activations, std::span<const float> largest_of_columns,
                          float threshold) {
  CHECK(has_outliers(activations));
  StaticInput out;
  if (!is_static(activations)) {
    out.outlier_threshold = threshold;
    return out;
  }
  std::vector<int32_t> columns;
  for (size_t i = 0; i < largest_of_columns.size(); ++i)
    if (threshold > 0 && largest_of_columns[i] >= threshold)
      columns.push_back(static_cast<int32_t>(i));
  out.outliers = OutlierColumns(std::move(columns));
  return out;
}

bool is_valid(Activations activations, const StaticInput& input) {
  const ActivationsInfo& info = activations_info(activations);
  const bool scaled = info.is_static && !info.has_outliers;
  const bool scale = scaled ? is_finite(input.scale) && input.scale > 0 : input.scale == 0;
  const bool zero = info.has_zero_point ? input.zero >= -128 && input.zero <= 127 : input.zero == 0;
  const bool of_call = info.has_outliers && !info.is_static;
  const bool threshold = of_call
                             ? is_finite(input.outlier_threshold) && input.outlier_threshold >= 0
                             : input.outlier_threshold == 0;
  const bool columns = (info.has_outliers && info.is_static) || input.outliers.empty();
  return scale && zero && threshold && columns &&
         input.outliers.fit(std::numeric_limits<int32_t>::max());
}

InputRange range_of(const InputRounding& rounding) {
  const float scale = rounding.parameters.scale;
  const int32_t zero = rounding.parameters.zero;
  const auto symmetric = [scale](float largest) {
    return InputRange{-largest * scale, largest * scale};
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
