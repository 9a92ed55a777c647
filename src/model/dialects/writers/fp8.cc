// fp8: the tensors of dialects/fp8.cc, one scheme for all linears.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "formats/small_floats/micro_scaled.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/written_linears.h"

namespace farthing {
namespace {

constexpr std::string_view of_blocks = "fp8_e4m3_block128", of_tensor = "fp8_e4m3_tensor";

Tensor as_e8m0(const Tensor& powers_of_two) {
  Tensor out(DType::f8_e8m0, powers_of_two.shape());
  if (rehearsing()) return out;
  for (int64_t i = 0; i < out.shape().elements(); ++i)
    out.as<uint8_t>()[i] = e8m0_from_f32(powers_of_two.as<float>()[i]);
  return out;
}

class Fp8Writer : public DialectWriter {
 public:
  // The dialect has no weights with unrounded inputs.
  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    const std::string_view name = scheme.weights->name;
    const Activations inputs = scheme.activations;
    if ((name == of_blocks && inputs == Activations::fp8_e4m3_g128) ||
        (name == of_tensor &&
         (inputs == Activations::fp8_e4m3_token || inputs == Activations::fp8_e4m3_static)))
      return scheme;
    return fail(not_held("fp8", scheme,
                         "fp8_e4m3_block128@fp8_e4m3_g128, fp8_e4m3_tensor@fp8_e4m3_token or "
                         "fp8_e4m3_tensor@fp8_e4m3_static",
                         "fp8_e4m3_block128@fp8_e4m3_g128"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear& as,
                                           const StoredLinear& linear) const override {
    const std::string module = module_of(spec.name);
    const Tensor &plane = linear.weight.planes[1],
                 scales = as.form.e8m0_scales ? as_e8m0(plane) : plane;
    std::vector<NamedTensor> out{{spec.name, linear.weight.planes[0]}};
    if (linear.weight.format->name == of_blocks)
      out.push_back({module + ".weight_scale_inv", scales});
    else
      out.push_back({module + ".weight_scale", scales.reshaped({})});
    if (is_static(linear.activations))
      out.push_back({module + ".input_scale", input_scale_of(as, linear, {})});
    return out;
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    const Scheme scheme = TRY(only_scheme("fp8", linears));
    JsonWriter json;
    json.begin_object().field("quant_method", "fp8").field("fmt", "e4m3");
    json.field("activation_scheme", is_static(scheme.activations) ? "static" : "dynamic");
    if (scheme.weights->name == of_blocks)
      json.key("weight_block_size").begin_array().value(128).value(128).end_array();
    if (std::ranges::any_of(linears, [](const auto& linear) { return linear.form.e8m0_scales; }))
      json.field("scale_fmt", "ue8m0");
    const auto plain = plain_modules(linears);
    json.key("modules_to_not_convert").begin_array();
    for (const std::string& module : plain) json.value(module);
    json.end_array().key("ignored_layers").begin_array();  // vLLM's name
    for (const std::string& module : plain) json.value(module);
    return json.end_array().end_object().take();
  }
};

}  // namespace

DialectTarget fp8_target() {
  return {.name = "fp8",
          .holds = "FP8 in blocks of 128 x 128 or for the tensor, with rounded inputs, one scheme",
          .readers = "vLLM, SGLang; where scales are of blocks also transformers",
          .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<Fp8Writer>();
          }};
}

}  // namespace farthing
