// linear_forward: rounds the input once for all that need it, then splits panels over the threads.
#include "ops/linear/linear.h"

#include <algorithm>

#include "base/check.h"
#include "ops/linear/outliers.h"
#include "ops/linear/round_rows.h"

namespace farthing::ops {

PackedWeight pack_weight_for(Context& context, QuantizedTensor stored, const InputRounding& input,
                             const MatmulKernel& kernel) {
  CHECK(accepts(kernel, *stored.format) &&
        kernel->input == product_input(Scheme{stored.format, input.activations}) &&
        is_valid(input.activations, input.parameters) && input.parameters.outliers.fit(stored.k));
  PackedWeight out;
  out.scheme = {stored.format, input.activations};
  out.input = input.parameters;
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
  out.outliers = pack_outliers(context, out);
  return out;
}

PackedWeight pack_weight(Context& context, QuantizedTensor stored, const InputRounding& input) {
  const MatmulKernel* kernel =
      choose_matmul_kernel({stored.format, input.activations}, context.isa);
  CHECK(kernel != nullptr);  // the generic kernel multiplies everything
  return pack_weight_for(context, std::move(stored), input, *kernel);
}

PackedWeight pack_weight_later(Context& context, QuantizedTensor stored,
                               const InputRounding& input) {
  const Scheme scheme{stored.format, input.activations};
  const MatmulKernel* kernel = choose_matmul_kernel(scheme, context.isa);
  CHECK(kernel != nullptr);
  const MatmulKernel* unpacked = find_stored_kernel(scheme, context.isa);
  if (!stored.format->plain || unpacked == nullptr)
    return pack_weight_for(context, std::move(stored), input, *kernel);
  PackedWeight out = pack_weight_for(context, std::move(stored), input, *unpacked);
  if (kernel != unpacked) out.packs_for = kernel;
  return out;
}

PackedWeight pack_weight_decoded(Context& context, const QuantizedTensor& stored,
                                 const InputRounding& input) {
  const Format& f32 = *find_format("f32");
  const auto product = [&](const Format& format) {
    return product_input(Scheme{&format, input.activations});
  };
  const MatmulKernel* kernel = choose_matmul_kernel({&f32, input.activations}, context.isa);
  if (product(*stored.format) != product(f32) || has_outliers(input.activations) ||
      (*kernel)->packing != Packing::floats)
    return pack_weight(context, stored, input);
  const int64_t n = stored.n, k = stored.k;
  PackedWeight out;
  out.scheme = {&f32, input.activations};
  out.input = input.parameters;
  out.kernel = kernel;
  out.stored = {&f32, n, k, DType::f32, {}};
  out.packed = Tensor(DType::u8, {packed_bytes(Packing::floats, out.stored)});
  const int64_t panel_bytes = out.packed.bytes() / panels_of(n);
  context.pool.run([&](Part part) {  // a panel's rows at a time
    const auto panels = part.range(panels_of(n));
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
      const int64_t begin = panel * panel_outputs, count = std::min(panel_outputs, n - begin);
      Tensor rows(DType::f32, {count, k});
      stored.format->decode_tile(stored, {begin, begin + count, 0, k}, rows.as<float>(), k);
      pack_panels(Packing::floats, {&f32, count, k, DType::f32, {rows}}, 0, 1,
                  out.packed.data() + panel * panel_bytes);
    }
  });
  return out;
}

void finish_packing(Context& context, PackedWeight& weight) {
  if (weight.packs_for == nullptr) return;
  const MatmulKernel& kernel = *weight.packs_for;
  weight = pack_weight_for(context, std::move(weight.stored), weight.rounding(), kernel);
}

void linear_forward(Context& context, View<const float, 2> x,
                    std::span<const LinearOutput> outputs) {
  const Workspace::Mark mark(context.workspace);
  RoundedRows* inputs = context.workspace.take<RoundedRows>(static_cast<int64_t>(outputs.size()));
  int64_t panels = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const PackedWeight& w = *outputs[i].weight;
    CHECK(w.k() == x.columns && outputs[i].y.rows == x.rows && outputs[i].y.columns == w.n());
    panels += panels_of(w.n());
    inputs[i] = {};
    for (size_t j = 0; j < i; ++j)  // the last has all that those before it have
      if (outputs[j].weight->rounding() == w.rounding()) inputs[i] = inputs[j];
    inputs[i].provide(context, x, w.rounding(), (*w.kernel)->input);
  }
  int64_t scratch_floats = matmul_scratch_floats();
  for (size_t i = 0; i < outputs.size(); ++i)
    scratch_floats = std::max(scratch_floats, outlier_scratch_floats(inputs[i].outliers));
  float* scratch = context.workspace.take<float>(scratch_floats * context.pool.size());
  context.pool.run([&](Part part) {
    const auto range = part.range(panels, panels_at_once(x.rows));
    float* mine = scratch + scratch_floats * part.index;
    int64_t first = 0;  // of this output, counted over all outputs
    for (size_t i = 0; i < outputs.size(); ++i) {
      const PackedWeight& w = *outputs[i].weight;
      const View<float, 2> y = outputs[i].y;
      const int64_t count = panels_of(w.n());
      const int64_t begin = range.begin > first ? range.begin - first : 0;
      const int64_t end = range.end - first < count ? range.end - first : count;
      if (begin < end) {
        (*w.kernel)->run({&w.stored, w.packed ? w.packed.data() : nullptr, x.rows,
                          inputs[i].floats.data, inputs[i].floats.stride, inputs[i].int8, y.data,
                          y.stride, begin, end, mine});
        if (adds_outliers(w)) add_outliers(context.isa, w, inputs[i].outliers, begin, end, mine, y);
      }
      first += count;
    }
  });
}

}  // namespace farthing::ops
