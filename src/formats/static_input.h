// The parameters of static activation formats: from what a linear's input was seen to hold.
#pragma once

#include <span>

#include "formats/activations.h"
#include "formats/scale_rule.h"

namespace farthing {

// What a linear's input is rounded to.
struct InputRounding {
  Activations activations = Activations::f32;
  StaticInput parameters = {};  // of formats that have any

  InputRounding() = default;
  InputRounding(Activations format, StaticInput input = {})  // implicit: most have no parameters
      : activations(format), parameters(std::move(input)) {}
  bool operator==(const InputRounding&) const = default;
};

// The parameters with which the extremes just fit; a scale that would be 0 is 1. Each step is
// rounded to f32. Formats with outlier columns: outlier_input.
//   int8_static:      scale = amax / 127
//   int8_static_asym: scale = (high - low) / 255, 0 inside; zero = round_even(-128 - low / scale)
//   fp8_e4m3_static:  scale = amax / 448
//   nvfp4:            scale = invertible_scale(amax / 2688), the scale of block scales
StaticInput static_input(Activations activations, const Extremes& seen);

// Of formats with outlier columns: the linear's are those in which the largest magnitude reaches
// the threshold; a threshold of 0 makes none. Where they are the call's, the threshold alone.
StaticInput outlier_input(Activations activations, std::span<const float> largest_of_columns,
                          float threshold);

// Whether the parameters are ones that a calibration could have chosen; else a file is damaged.
bool is_valid(Activations activations, const StaticInput& input);

// A static format saturates beyond these by more than half a step; infinite for all others.
struct InputRange {
  float low, high;
};
InputRange range_of(const InputRounding& rounding);

}  // namespace farthing
