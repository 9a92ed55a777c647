// What the outlier columns of a linear's input add to its int8 product.
#pragma once

#include "ops/linear/linear.h"
#include "ops/linear/round_rows.h"

namespace farthing::ops {

// Whether the weight's product needs them apart: its kernel multiplies codes, and its activation
// format leaves columns as they are. Elsewhere they are among the rounded values.
bool adds_outliers(const PackedWeight& weight);

// The weights of the linear's own outlier columns, f32 [panels, columns, 16]; absent where there
// are none, or where they are known only with the call.
Tensor pack_outliers(Context& context, const PackedWeight& weight);

// Floats of scratch memory of one thread.
constexpr int64_t outlier_scratch_floats(const OutlierRows& rows) {
  return static_cast<int64_t>(rows.columns.size()) * panel_outputs;
}

// y [m, n] goes on from the int8 product of all other columns, for the panels [panel_begin,
// panel_end): one FMA chain for each output, in ascending column, of elements times decoded
// weights. fixed_order.
void add_outliers(Isa isa, const PackedWeight& weight, const OutlierRows& rows, int64_t panel_begin,
                  int64_t panel_end, float* scratch, View<float, 2> y);

}  // namespace farthing::ops
