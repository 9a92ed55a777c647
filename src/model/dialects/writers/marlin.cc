// marlin: the tensors of dialects/marlin.cc, as GPTQ's checkpoint_format marlin. Symmetric 4 bits,
// one scheme for all linears.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "model/dialects/marlin_scales.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/integer_tensors.h"
#include "model/dialects/writers/written_linears.h"

namespace farthing {
namespace {

// [n, groups] as [groups, n] in the kernel's order.
template <class Bits>
Tensor reordered(const Tensor& scales) {
  const int64_t n = scales.shape()[0], groups = scales.shape()[1];
  Tensor out(scales.dtype(), {groups, n});
  if (rehearsing()) return out;
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t at = 0; at < n; ++at)
      out.as<Bits>()[g * n + at] = scales.as<Bits>()[marlin_output_at(groups, at) * groups + g];
  return out;
}

class MarlinWriter : public DialectWriter {
 public:
  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    const Format* layout = integer_layout(*scheme.weights);
    if (layout != nullptr && layout->grid && layout->scale_block.rows == 1 &&
        layout->grid->bits == 4 && !layout->grid->zero_points)
      return Scheme{layout, Activations::f32};
    return fail(
        not_held("marlin", scheme, "symmetric integers of 4 bits in groups or rows", "int4_g128"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear&,
                                           const StoredLinear& linear) const override {
    const Tensor& scales = scales_of(linear.weight);
    const int64_t run = marlin_scale_run(scales.shape()[1]);
    if (spec.n % run != 0) {
      return fail({.what = "Marlin's order has no place for a matrix of this shape",
                   .where = "scales",
                   .got = fmt::format("{} outputs", spec.n),
                   .wanted = fmt::format("a multiple of {}", run),
                   .remedy = "convert to gptq or compressed-tensors, which take every shape"});
    }
    const std::string module = module_of(spec.name);
    Tensor codes = TRY(packed_codes(linear.weight, "marlin", pool_));
    return std::vector<NamedTensor>{
        {module + ".B", std::move(codes)},
        {module + ".s",
         scales.dtype() == DType::f32 ? reordered<float>(scales) : reordered<uint16_t>(scales)},
        // Counters of the kernel, one for each 128 outputs and parallel tile of 16.
        {module + ".workspace", Tensor(DType::i32, {std::max<int64_t>(1, spec.n / 128 * 16)})}};
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    const IntegerGrid& grid = *TRY(only_scheme("marlin", linears)).weights->grid;
    JsonWriter json;
    json.begin_object().field("quant_method", "gptq").field("checkpoint_format", "marlin");
    json.field("is_marlin_format", true).field("bits", grid.bits);
    json.field("group_size", grid.group == 0 ? -1 : grid.group);
    return json.field("sym", true).field("desc_act", false).end_object().take();
  }
};

}  // namespace

DialectTarget marlin_target() {
  return {.name = "marlin",
          .holds = "symmetric integers of 4 bits, one scheme",
          .readers = "AutoGPTQ, vLLM before version 0.10",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<MarlinWriter>();
          },
          .short_groups = true};
}

}  // namespace farthing
