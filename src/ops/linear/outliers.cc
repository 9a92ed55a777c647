// Decoded columns of the weight, packed once or for the call, and the chains over them.
#include "ops/linear/outliers.h"

#include <algorithm>

#include "kernels/outlier_columns/outlier_columns.h"

namespace farthing::ops {

bool adds_outliers(const PackedWeight& weight) {
  return has_outliers(weight.scheme.activations) &&
         (*weight.kernel)->input == ProductInput::int8_blocks;
}

Tensor pack_outliers(Context& context, const PackedWeight& weight) {
  if (!adds_outliers(weight) || weight.input.outliers.empty()) return {};
  const OutlierColumns& columns = weight.input.outliers;
  const int64_t panels = panels_of(weight.n()), floats = columns.count() * panel_outputs;
  Tensor out(DType::f32, {panels, columns.count(), panel_outputs});
  float* to = out.as<float>();
  context.pool.run([&](Part part) {
    const auto range = part.range(panels);
    for (int64_t panel = range.begin; panel < range.end; ++panel)
      unpack_inputs(weight.stored, weight.packed.data(), panel, columns.list(),
                    to + panel * floats);
  });
  return out;
}

void add_outliers(Isa isa, const PackedWeight& weight, const OutlierRows& rows, int64_t panel_begin,
                  int64_t panel_end, float* scratch, View<float, 2> y) {
  const int64_t floats = outlier_scratch_floats(rows);
  const OutlierColumnsKernel& kernel = choose_outlier_columns_kernel(isa);
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const float* weights = scratch;
    if (weight.outliers) {
      weights = weight.outliers.as<float>() + panel * floats;
    } else {
      unpack_inputs(weight.stored, weight.packed.data(), panel, rows.columns, scratch);
    }
    const int64_t begin = panel * panel_outputs;
    kernel->add({y.rows, floats / panel_outputs, rows.values, weights, y.data + begin, y.stride,
                 std::min(panel_outputs, y.columns - begin)});
  }
}

}  // namespace farthing::ops
