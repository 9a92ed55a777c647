// What calibration knows of the input that some linears share: sums over its tokens.
#pragma once

#include <string>
#include <vector>

#include "eval/calibration/input_range.h"
#include "tensor/context.h"

namespace farthing {

struct InputStatistics {
  int64_t tokens = 0;
  int64_t routed_tokens = 0;       // that reach it in the model; an expert may be shown more
  std::vector<float> square_sums;  // [k]: of x^2
  std::vector<float> magnitudes;   // [k]: sums of |x|
  std::vector<float> largest;      // [k]: largest |x|
  SeenInput seen;                  // of all
  bool with_histogram = false;     // in `seen`
  Tensor gram;                     // f32 [k, k], x^T x; absent where nothing asks for it

  InputStatistics() = default;
  InputStatistics(int64_t k, bool with_gram);
  int64_t k() const { return static_cast<int64_t>(square_sums.size()); }
  // Rows [m, k] of tokens; in square_sums and gram each counts `weights` [m] times (null: once).
  // The same sums for any number of threads and any instruction set.
  void add(Context& context, View<const float, 2> x, const float* weights = nullptr);
  // Once all tokens are there.
  void finish();
  // How much an error in each column counts: the mean of x^2, relative to the mean of all columns,
  // and at least 1e-6, so that a dead column's weights still round to something.
  std::vector<float> importance() const;
};

}  // namespace farthing
