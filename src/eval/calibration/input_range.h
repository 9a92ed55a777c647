// The range of a linear's input that a static activation format should hold: the extremes, or less,
// so that the many small values keep finer steps.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/static_input.h"
#include "tensor/tensor.h"

namespace farthing {

enum class RangeMethod {
  absmax,      // the extremes
  percentile,  // what holds a share of the magnitudes
  mse,         // the least squared error of the rounded values
  entropy,     // int8: the least KL divergence of the rounded distribution from the seen one
};
inline constexpr std::string_view range_method_names = "absmax, percentile, mse, entropy";
std::optional<RangeMethod> find_range_method(std::string_view name);
std::string_view range_method_name(RangeMethod method);

struct RangeOptions {
  RangeMethod method = RangeMethod::absmax;
  double percentile = 99.99;
  // From which magnitude on an element is an outlier, in formats with outlier columns; 0: none is.
  float outlier_threshold = 6;
  bool operator==(const RangeOptions&) const = default;
};

// Counts of magnitudes, by sign, in 2048 bins from 0 to the least power of two above all of them:
// counts of narrower bins join in pairs, so the order of what is added does not matter.
class InputHistogram {
 public:
  static constexpr int bins = 2048;

  // Finite values.
  void add(const float* values, int64_t count);
  bool empty() const { return range_ == 0; }
  double width() const { return range_ / bins; }                      // of a bin
  const std::vector<int64_t>& positive() const { return positive_; }  // 0 among them
  const std::vector<int64_t>& negative() const { return negative_; }

 private:
  void widen(double amax);
  double range_ = 0;
  int64_t zeros_ = 0;  // seen before anything else
  std::vector<int64_t> positive_, negative_;
};

// What a linear's input was seen to hold.
struct SeenInput : Extremes {
  InputHistogram histogram;         // empty where only the extremes are wanted
  std::vector<float> largest = {};  // [k]: largest |x| of each column that add_columns saw

  void add(View<const float, 2> rows, bool with_histogram);
  // Into the histogram alone; nothing once a value was not finite.
  void count(View<const float, 2> rows);
  void add_columns(View<const float, 2> rows);
};

// The extremes, clipped to the magnitude that the method finds. NVFP4's tensor scale, under which
// each block has a scale of its own, is not clipped.
//   percentile, mse: edges of the histogram's bins
//   entropy: TensorRT's calibration (S. Migacz, 8-bit inference with TensorRT, 2017) over
//     magnitudes with 128 levels: what lies beyond the edge joins the last bin of the reference
//     distribution, and is left out of the quantized one; ties go to the wider range.
Extremes chosen_range(const SeenInput& seen, Activations activations, const RangeOptions& options);

// The parameters of a static activation format: those of the chosen range, or the columns that
// reach the threshold of outliers.
StaticInput chosen_input(const SeenInput& seen, std::span<const float> largest_of_columns,
                         Activations activations, const RangeOptions& options);

}  // namespace farthing
