// Kernels that add the columns of a linear's input that its activation format left as they are, for
// one panel of outputs, behind the int8 product of all others.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/kernel_list.h"

namespace farthing {

// c = 0 .. columns - 1 counts the columns in ascending order.
struct OutlierArguments {
  int64_t m, columns;
  const float* x;        // [m, columns]: the elements of these columns
  const float* weights;  // [columns, 16]: the decoded weights of the panel's outputs
  float* y;              // [m, y_stride]: the panel's first output
  int64_t y_stride;
  int64_t outputs;  // of the panel, at most 16
};

struct OutlierColumnsFunctions {
  // Each y goes on as one chain: y = fma(x[t][c], weights[c][o], y) in ascending c. Lanes are
  // outputs, so neither how tokens are tiled nor the width of a vector changes a bit. fixed_order.
  void (*add)(const OutlierArguments&) noexcept;
};

using OutlierColumnsKernel = Kernel<OutlierColumnsFunctions>;
std::span<const OutlierColumnsKernel> outlier_columns_kernels();
const OutlierColumnsKernel& choose_outlier_columns_kernel(Isa isa);

}  // namespace farthing
