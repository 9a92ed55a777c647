// linear_forward: rounds the input once for all that need it, then splits panels over the threads.
#include "ops/linear/linear.h"

#include <array>

#include "base/check.h"
#include "ops/linear/round_rows.h"

namespace farthing::ops {

PackedWeight pack_weight_for(Context& context, QuantizedTensor stored, Activations activations,
                             const MatmulKernel& kernel) {
  CHECK(accepts(kernel, *stored.format) &&
        kernel->input == product_input(Scheme{stored.format, activations}));
  PackedWeight out;
  out.scheme = {stored.format, activations};
  out.kernel = &kernel;
  if (kernel->packing != Packing::stored) {
    out.packed = Tensor(DType::u8, {packed_bytes(kernel->packing, stored)});
    std::byte* packed = out.packed.data();
    context.pool.run([&](Part part) {
      const auto range = part.range(panels_of(stored.n));
      pack_panels(kernel->packing, stored, range.begin, range.end, packed);
    });
    stored.planes.clear();
  }
  out.stored = std::move(stored);
  return out;
}

PackedWeight pack_weight(Context& context, QuantizedTensor stored, Activations activations) {
  const MatmulKernel* kernel = choose_matmul_kernel({stored.format, activations}, context.isa);
  CHECK(kernel != nullptr);  // the generic kernel multiplies everything
  return pack_weight_for(context, std::move(stored), activations, *kernel);
}

void linear_forward(Context& context, View<const float, 2> x,
                    std::span<const LinearOutput> outputs) {
  const Workspace::Mark mark(context.workspace);
  std::array<RoundedRows, std::size(all_activations)> rounded{};
  int64_t panels = 0;
  for (const LinearOutput& output : outputs) {
    CHECK(output.weight->k() == x.columns && output.y.rows == x.rows &&
          output.y.columns == output.weight->n());
    panels += panels_of(output.weight->n());
    const Activations activations = output.weight->scheme.activations;
    rounded[static_cast<size_t>(activations)].provide(context, x, activations,
                                                      (*output.weight->kernel)->input);
  }
  const int64_t scratch_floats = matmul_scratch_floats();
  float* scratch = context.workspace.take<float>(scratch_floats * context.pool.size());
  context.pool.run([&](Part part) {
    const auto range = part.range(panels, 4);
    int64_t first = 0;  // of this output, counted over all outputs
    for (const LinearOutput& output : outputs) {
      const PackedWeight& w = *output.weight;
      const int64_t count = panels_of(w.n());
      const int64_t begin = range.begin > first ? range.begin - first : 0;
      const int64_t end = range.end - first < count ? range.end - first : count;
      if (begin < end) {
        const RoundedRows& input = rounded[static_cast<size_t>(w.scheme.activations)];
        (*w.kernel)->run({&w.stored, w.packed ? w.packed.data() : nullptr, x.rows,
                          input.floats.data, input.floats.stride, input.int8, output.y.data,
                          output.y.stride, begin, end, scratch + scratch_floats * part.index});
      }
      first += count;
    }
  });
}

}  // namespace farthing::ops
