// compressed_tensors: the tensors of dialects/compressed_tensors.cc. One scheme: a group of all
// Linear with `ignore`; several: a group for each, with the names of its modules.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "formats/input_groups.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/compressed_tensors/stated.h"
#include "model/dialects/writers/integer_tensors.h"
#include "model/dialects/writers/written_linears.h"

namespace farthing {
namespace {

using namespace compressed_tensors;

// Unsigned codes or zeros as signed bytes.
Tensor lowered(const Tensor& codes, int middle) {
  Tensor out(DType::i8, codes.shape());
  if (rehearsing()) return out;
  for (int64_t i = 0; i < codes.shape().elements(); ++i)
    out.as<int8_t>()[i] = static_cast<int8_t>(codes.as<uint8_t>()[i] - middle);
  return out;
}

Tensor number(float value) {
  Tensor out(DType::f32, {1});
  out.as<float>()[0] = value;
  return out;
}

float reciprocal(float scale) { return 1 / scale; }

class CompressedTensorsWriter : public DialectWriter {
 public:
  explicit CompressedTensorsWriter(const WriterOptions& options) : options_(options) {}

  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    const bool stated = stated_inputs(scheme.activations) != nullptr;
    const bool as_it_is = small_floats_of(*scheme.weights) || has_input_groups(*scheme.weights);
    Scheme out{as_it_is ? scheme.weights : integer_layout(*scheme.weights),
               stated ? scheme.activations : Activations::f32};
    if (out.weights != nullptr) return out;
    return fail(not_held("compressed-tensors", scheme,
                         "integers of 2 to 8 bits, FP8, MXFP8, MXFP4 or NVFP4", "int4_g128"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear& as,
                                           const StoredLinear& linear) const override {
    const Scheme scheme{linear.weight.format, linear.activations};
    const std::string module = module_of(spec.name);
    const bool floats = small_floats_of(*scheme.weights) != nullptr;
    auto out = TRY(floats ? small_floats(module, linear.weight)
                          : integers(module, in_runs(linear.weight), in_bytes(scheme), as));
    if (const Tensor groups = input_groups_of(linear.weight, as))
      out.push_back({module + ".weight_g_idx", groups});
    if (!is_static(scheme.activations)) return out;
    if (scheme.activations == Activations::nvfp4) {
      out.push_back(TRY(dividing(module + ".input_global_scale", linear.input.scale)));
      return out;
    }
    out.push_back({module + ".input_scale", input_scale_of(as, linear, {1})});
    if (activations_info(scheme.activations).has_zero_point) {
      Tensor zero(DType::i8, {1});
      zero.as<int8_t>()[0] = static_cast<int8_t>(linear.input.zero);
      out.push_back({module + ".input_zero_point", std::move(zero)});
    }
    return out;
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    std::vector<Group> groups;
    bool embedding = false;
    for (const WrittenLinear& linear : linears) {
      if (linear.scheme.weights->plain) continue;
      embedding = embedding || linear.embedding;
      const std::string weights = stated_weights(linear).json();
      auto found = std::ranges::find_if(groups, [&](const Group& group) {
        return group.scheme == linear.scheme && group.weights == weights;
      });
      if (found == groups.end()) found = groups.insert(found, {linear.scheme, weights, {}});
      found->modules.push_back(linear.module);
    }
    const bool all_linears = groups.size() == 1 && !embedding;
    JsonWriter json;
    json.begin_object().field("quant_method", "compressed-tensors");
    json.field("quantization_status", "compressed");
    std::string_view format = format_of_files(groups.front().scheme);
    for (const Group& group : groups)
      if (format_of_files(group.scheme) != format) format = "mixed-precision";
    json.field("format", format).key("kv_cache_scheme");
    if (options_.kv_cache.empty())
      json.null();
    else
      json.raw(options_.kv_cache);
    json.key("ignore").begin_array();
    for (const std::string& module : plain_modules(linears)) json.value(module);
    json.end_array().key("config_groups").begin_object();
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto& [scheme, weights, modules] = groups[i];
      json.key(fmt::format("group_{}", i)).begin_object().key("targets").begin_array();
      if (all_linears)
        json.value("Linear");
      else
        for (const std::string& module : modules) json.value(module);
      json.end_array().field("format", format_of_files(scheme));
      json.key("weights").raw(weights);
      json.key("input_activations");
      if (const Stated* inputs = stated_inputs(scheme.activations))
        json.raw(inputs->json());
      else
        json.null();
      json.key("output_activations").null().end_object();
    }
    return json.end_object().end_object().take();
  }

 private:
  // Linears of which the same is said.
  struct Group {
    Scheme scheme;
    std::string weights;  // as JSON
    std::vector<std::string> modules;
  };

  // Empty where inputs do not name them.
  static Tensor input_groups_of(const QuantizedTensor& weight, const WrittenLinear& as) {
    if (!has_input_groups(*weight.format)) return as.form.input_groups;
    return weight.planes[static_cast<size_t>(weight.format->input_groups)];
  }

  Result<std::vector<NamedTensor>> integers(const std::string& module,
                                            const QuantizedTensor& weight, bool bytes,
                                            const WrittenLinear& as) const {
    const IntegerGrid& grid = *weight.format->grid;
    const bool with_zeros = has_zero_points(as);
    Tensor scales = scales_of(weight);
    if (of_tensor(*weight.format)) scales = scales.reshaped({1});
    std::vector<NamedTensor> out;
    if (bytes) {
      out = {{module + ".weight", lowered(plain_codes(weight), grid.middle())},
             {module + ".weight_scale", std::move(scales)}};
      if (with_zeros)
        out.push_back({module + ".weight_zero_point", lowered(plain_zeros(weight), grid.middle())});
      return out;
    }
    Tensor shape(DType::i64, {2});
    shape.as<int64_t>()[0] = weight.n;
    shape.as<int64_t>()[1] = weight.k;
    const std::string packing =
        as.form.whole_words ? "compressed_tensors_legacy" : "compressed_tensors";
    Tensor codes = TRY(packed_codes(weight, packing, pool_));
    out = {{module + ".weight_packed", std::move(codes)},
           {module + ".weight_scale", std::move(scales)},
           {module + ".weight_shape", std::move(shape)}};
    if (with_zeros) {
      Tensor zeros = TRY(packed_zeros(weight, packing + "_zeros"));
      out.push_back({module + ".weight_zero_point", std::move(zeros)});
    }
    return out;
  }

  Result<NamedTensor> dividing(const std::string& name, float scale) const {
    const float divisor = TRY(options_.inverse_scale(name, scale, 1 / scale, reciprocal));
    return NamedTensor{name, number(divisor)};
  }

  Result<std::vector<NamedTensor>> small_floats(const std::string& module,
                                                const QuantizedTensor& weight) const {
    const std::string_view format = small_floats_of(*weight.format)->format;
    const bool packed = format.find("-pack-") != std::string_view::npos;
    Tensor scales = weight.planes[1];
    if (scales.dtype() == DType::f8_e8m0) scales = scales.viewed_as(DType::u8, scales.shape());
    if (of_tensor(*weight.format)) scales = scales.reshaped({1});
    std::vector<NamedTensor> out{
        {module + (packed ? ".weight_packed" : ".weight"), weight.planes[0]},
        {module + ".weight_scale", std::move(scales)}};
    if (weight.format->name == "nvfp4")
      out.push_back(
          TRY(dividing(module + ".weight_global_scale", weight.planes[2].as<float>()[0])));
    return out;
  }

  WriterOptions options_;
};

}  // namespace

DialectTarget compressed_tensors_target() {
  return {.name = "compressed-tensors",
          .holds = "integers, FP8, MXFP8, MXFP4, NVFP4, a scheme for each linear, rounded inputs",
          .readers = "vLLM, SGLang, transformers",
          .create = [](const WriterOptions& options) -> std::unique_ptr<DialectWriter> {
            return std::make_unique<CompressedTensorsWriter>(options);
          },
          .embeddings = true,
          .repeats_kv_cache = true};
}

}  // namespace farthing
