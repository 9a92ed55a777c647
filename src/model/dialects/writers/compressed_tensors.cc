// compressed_tensors: the tensors of dialects/compressed_tensors.cc. One scheme: a group of all
// Linear with `ignore`; several: a group for each, with the names of its modules.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "formats/input_groups.h"
#include "model/dialects/integer_weights.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/integer_tensors.h"
#include "model/dialects/writers/written_linears.h"

namespace farthing {
namespace {

// How `weights` or `input_activations` state a format.
struct Stated {
  int bits;
  const char* type;
  bool symmetric;
  std::string strategy;
  int64_t group = 0;              // 0: null
  const char* dynamic = "false";  // as JSON
  // Of the scales, where it is not the model's: readers that round inputs round their scales to it.
  const char* scale_dtype = nullptr;
  bool blocks = false;     // of 128 x 128
  bool act_order = false;  // inputs name their groups

  std::string json() const {
    JsonWriter out;
    out.begin_object().field("num_bits", bits).field("type", type).field("symmetric", symmetric);
    out.field("strategy", strategy).key("group_size");
    if (group > 0)
      out.value(group);
    else
      out.null();
    if (blocks) out.key("block_structure").begin_array().value(128).value(128).end_array();
    out.key("dynamic").raw(dynamic);
    if (scale_dtype != nullptr) out.field("scale_dtype", scale_dtype);
    if (act_order) out.field("actorder", "group");
    return out.end_object().take();
  }
};

constexpr const char *e8m0 = "torch.uint8", *e4m3 = "torch.float8_e4m3fn";

struct StatedInputs {
  Activations activations;
  Stated stated;
};
const StatedInputs& inputs_of(Activations activations, bool& found) {
  static const StatedInputs table[] = {
      {Activations::int8_token, {8, "int", true, "token", 0, "true"}},
      {Activations::int8_static, {8, "int", true, "tensor"}},
      {Activations::int8_static_asym, {8, "int", false, "tensor"}},
      {Activations::fp8_e4m3_token, {8, "float", true, "token", 0, "true"}},
      {Activations::fp8_e4m3_static, {8, "float", true, "tensor"}},
      {Activations::fp8_e4m3_g128, {8, "float", true, "group", 128, "true"}},
      {Activations::mxfp8, {8, "float", true, "group", 32, "true", e8m0}},
      {Activations::mxfp4, {4, "float", true, "group", 32, "true", e8m0}},
      {Activations::nvfp4, {4, "float", true, "tensor_group", 16, "\"local\"", e4m3}},
  };
  const auto* at = std::ranges::find(table, activations, &StatedInputs::activations);
  found = at != std::end(table);
  return found ? *at : table[0];
}

struct SmallFloats {
  std::string_view name, format;
  Stated stated;
};
const SmallFloats* small_floats_of(const Format& format) {
  static const SmallFloats table[] = {
      {"fp8_e4m3_tensor", "float-quantized", {8, "float", true, "tensor"}},
      {"fp8_e4m3_row", "float-quantized", {8, "float", true, "channel"}},
      {"fp8_e4m3_g128", "float-quantized", {8, "float", true, "group", 128}},
      {"fp8_e4m3_block128",
       "float-quantized",
       {8, "float", true, "block", 0, "false", nullptr, true}},
      {"nvfp4", "nvfp4-pack-quantized", {4, "float", true, "tensor_group", 16, "false", e4m3}},
      {"mxfp4", "mxfp4-pack-quantized", {4, "float", true, "group", 32, "false", e8m0}},
      {"mxfp8", "mxfp8-quantized", {8, "float", true, "group", 32, "false", e8m0}},
  };
  const auto* at = std::ranges::find(table, format.name, &SmallFloats::name);
  return at == std::end(table) ? nullptr : at;
}

bool of_tensor(const Format& format) { return format.scale_block.rows == 0; }

// Whole numbers of 4 or 8 bits that multiply rounded inputs stand in bytes, all others packed.
bool in_bytes(const Scheme& scheme) {
  return of_tensor(*scheme.weights) || scheme.activations != Activations::f32;
}

std::string format_of(const Scheme& scheme) {
  if (const SmallFloats* floats = small_floats_of(*scheme.weights))
    return std::string(floats->format);
  return in_bytes(scheme) ? "int-quantized" : "pack-quantized";
}

// Formats in activation order always store zero points.
bool has_zero_points(const WrittenLinear& as) {
  const Format& format = *as.scheme.weights;
  if (!has_input_groups(format)) return format.grid->zero_points;
  return !as.middle_zeros;
}

Stated weights_of(const WrittenLinear& as) {
  const Format& format = *as.scheme.weights;
  if (const SmallFloats* floats = small_floats_of(format)) return floats->stated;
  const IntegerGrid& grid = *format_in_runs(format).grid;
  Stated out{grid.bits, "int", !has_zero_points(as),
             of_tensor(format) ? "tensor"
             : grid.group == 0 ? "channel"
                               : "group",
             grid.group};
  out.act_order = has_input_groups(format);
  return out;
}

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
    bool stated = false;
    inputs_of(scheme.activations, stated);
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
    auto out = TRY(
        floats ? small_floats(module, linear.weight)
               : integers(module, in_runs(linear.weight), in_bytes(scheme), has_zero_points(as)));
    if (has_input_groups(*scheme.weights))
      out.push_back({module + ".weight_g_idx",
                     linear.weight.planes[static_cast<size_t>(scheme.weights->input_groups)]});
    if (!is_static(scheme.activations)) return out;
    if (scheme.activations == Activations::nvfp4) {
      out.push_back(TRY(dividing(module + ".input_global_scale", linear.input.scale)));
      return out;
    }
    out.push_back({module + ".input_scale", number(linear.input.scale)});
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
      const std::string weights = weights_of(linear).json();
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
    std::string format = format_of(groups.front().scheme);
    for (const Group& group : groups)
      if (format_of(group.scheme) != format) format = "mixed-precision";
    json.field("format", format).key("kv_cache_scheme").null();
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
      json.end_array().field("format", format_of(scheme));
      json.key("weights").raw(weights);
      bool stated = false;
      const StatedInputs& inputs = inputs_of(scheme.activations, stated);
      json.key("input_activations");
      if (stated)
        json.raw(inputs.stated.json());
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

  static Result<std::vector<NamedTensor>> integers(const std::string& module,
                                                   const QuantizedTensor& weight, bool bytes,
                                                   bool with_zeros) {
    const IntegerGrid& grid = *weight.format->grid;
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
    out = {{module + ".weight_packed", TRY(packed_codes(weight, "compressed_tensors"))},
           {module + ".weight_scale", std::move(scales)},
           {module + ".weight_shape", std::move(shape)}};
    if (with_zeros)
      out.push_back(
          {module + ".weight_zero_point", TRY(packed_zeros(weight, "compressed_tensors_zeros"))});
    return out;
  }

  Result<NamedTensor> dividing(const std::string& name, float scale) const {
    return NamedTensor{name,
                       number(TRY(options_.inverse_scale(name, scale, 1 / scale, reciprocal)))};
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
          .embeddings = true};
}

}  // namespace farthing
