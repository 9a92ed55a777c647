// quark: the tensors of dialects/quark.cc. The scheme of most linears is global_quant_config, any
// other stands in layer_quant_config by the module's name.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "base/rehearsal.h"
#include "formats/packing/packing.h"
#include "model/checkpoint.h"
#include "model/dialects/stored_tensors.h"
#include "model/dialects/writers/integer_tensors.h"
#include "model/dialects/writers/written_linears.h"
#include "model/transposed.h"

namespace farthing {
namespace {

// What Quark says of weights or inputs: numbers of one kind under one kind of scales.
struct Stated {
  const char *dtype, *qscheme, *observer;
  int group = 0;       // 0: null
  int axis = no_axis;  // ch_axis
  bool dynamic = false, symmetric = true;
  const char* scale_format = nullptr;  // "e8m0", "float32"
  bool of_scales = false;              // is_scale_quant

  static constexpr int no_axis = -9;

  std::string json() const {
    JsonWriter out;
    const auto text = [&](const char* name, const char* value) {
      out.key(name);
      value == nullptr ? out.null() : out.value(value);
    };
    const auto number = [&](const char* name, int value, int null) {
      out.key(name);
      value == null ? out.null() : out.value(value);
    };
    out.begin_object().field("dtype", dtype).field("qscheme", qscheme);
    out.field("observer_cls", observer).field("is_dynamic", dynamic);
    number("group_size", group, 0);
    number("ch_axis", axis, no_axis);
    out.key("block_size").null().field("symmetric", symmetric).field("round_method", "half_even");
    text("scale_format", scale_format);
    text("scale_calculation_mode",
         scale_format != nullptr && scale_format[0] == 'e' ? "even" : nullptr);
    out.field("scale_type", "float").key("mx_element_dtype").null();
    out.field("is_scale_quant", of_scales).field("zero_point_type", "int32");
    return out.end_object().take();
  }
};
using Statement = std::vector<Stated>;  // none, one, or one under another

constexpr const char *per_tensor = "PerTensorMinMaxObserver",
                     *per_channel = "PerChannelMinMaxObserver", *per_block = "PerBlockMXObserver",
                     *per_group = "PerGroupMinMaxObserver";

Stated micro_scaled(const char* dtype, bool dynamic) {
  return {dtype, "per_group", per_block, 32, -1, dynamic, true, "e8m0"};
}
Statement nvfp4(bool dynamic) {
  return {{"fp4", "per_group", per_block, 16, -1, dynamic, true, "float32"},
          {"fp8_e4m3", "per_tensor", per_tensor, 0, Stated::no_axis, false, true, nullptr, true}};
}

// Empty where Quark has none.
Statement weights_of(const Format& format) {
  const std::string_view name = format.name;
  if (name == "fp8_e4m3_tensor") return {{"fp8_e4m3", "per_tensor", per_tensor}};
  if (name == "fp8_e4m3_row") return {{"fp8_e4m3", "per_channel", per_channel, 0, 0}};
  if (name == "mxfp8") return {micro_scaled("fp8_e4m3", false)};
  if (name == "mxfp6_e2m3") return {micro_scaled("fp6_e2m3", false)};
  if (name == "mxfp6_e3m2") return {micro_scaled("fp6_e3m2", false)};
  if (name == "mxfp4") return {micro_scaled("fp4", false)};
  if (name == "nvfp4") return nvfp4(false);
  if (!format.grid) return {};
  const IntegerGrid& grid = *format.grid;
  const bool of_tensor = format.scale_block.rows == 0, symmetric = !grid.zero_points;
  if (of_tensor && !symmetric) return {};
  if (grid.bits == 8 && grid.group == 0)
    return {{symmetric ? "int8" : "uint8", of_tensor ? "per_tensor" : "per_channel",
             of_tensor ? per_tensor : per_channel, 0, of_tensor ? Stated::no_axis : 0, false,
             symmetric}};
  if ((grid.bits != 4 && grid.bits != 8) || grid.group == 0) return {};
  const char* const dtype =
      grid.bits == 4 ? (symmetric ? "int4" : "uint4") : (symmetric ? "int8" : "uint8");
  return {{dtype, "per_group", per_group, static_cast<int>(grid.group), 1, false, symmetric}};
}

struct Inputs {
  Statement stated;
  bool known = true;
};
Inputs inputs_of(Activations activations) {
  switch (activations) {
    case Activations::f32:
      return {};
    case Activations::int8_token:
      return {{{"int8", "per_channel", per_channel, 0, 1, true}}};
    case Activations::int8_static:
      return {{{"int8", "per_tensor", per_tensor}}};
    case Activations::int8_static_asym:
      return {{{"int8", "per_tensor", per_tensor, 0, Stated::no_axis, false, false}}};
    case Activations::fp8_e4m3_token:
      return {{{"fp8_e4m3", "per_channel", per_channel, 0, 1, true}}};
    case Activations::fp8_e4m3_static:
      return {{{"fp8_e4m3", "per_tensor", per_tensor}}};
    case Activations::mxfp8:
      return {{micro_scaled("fp8_e4m3", true)}};
    case Activations::mxfp4:
      return {{micro_scaled("fp4", true)}};
    case Activations::nvfp4:
      return {nvfp4(true)};
    default:
      return {{}, false};
  }
}

void write_statement(JsonWriter& json, const char* name, const Statement& statement) {
  json.key(name);
  if (statement.empty()) {
    json.null();
  } else if (statement.size() == 1) {
    json.raw(statement.front().json());
  } else {
    json.begin_array();
    for (const Stated& stated : statement) json.raw(stated.json());
    json.end_array();
  }
}

std::string layer_json(const Scheme& scheme) {
  JsonWriter json;
  json.begin_object();
  write_statement(json, "weight", weights_of(*scheme.weights));
  write_statement(json, "input_tensors", inputs_of(scheme.activations).stated);
  json.key("output_tensors").null().key("bias").null().key("target_device").null();
  return json.end_object().take();
}

Tensor with_sign(const Tensor& codes, uint8_t sign) {
  Tensor out(codes.dtype(), codes.shape());
  if (rehearsing()) return out;
  for (int64_t i = 0; i < codes.shape().elements(); ++i)
    out.as<uint8_t>()[i] = codes.as<uint8_t>()[i] ^ sign;
  return out;
}

template <class Value>
Tensor number(DType type, Value value) {
  Tensor out(type, {});
  out.as<Value>()[0] = value;
  return out;
}

class QuarkWriter : public DialectWriter {
 public:
  Result<Scheme> scheme_for(const Scheme& scheme) const override {
    const Format* layout = scheme.weights->grid ? integer_layout(*scheme.weights) : scheme.weights;
    if (layout != nullptr && layout->grid && weights_of(*layout).empty())
      layout = layout_of_bytes(*layout);
    if (layout != nullptr && !weights_of(*layout).empty())
      return Scheme{layout,
                    inputs_of(scheme.activations).known ? scheme.activations : Activations::f32};
    return fail(not_held("quark", scheme,
                         "int8, int4 in groups, FP8 for rows or the tensor, "
                         "MXFP8, MXFP6, MXFP4 or NVFP4",
                         "int4_g128_asym"));
  }

  Result<std::vector<NamedTensor>> tensors(const LinearSpec& spec, const WrittenLinear& as,
                                           const StoredLinear& linear) const override {
    const QuantizedTensor& weight = linear.weight;
    const std::string module = module_of(spec.name);
    std::vector<NamedTensor> out = weight.format->grid
                                       ? TRY(integers(module, weight, as.form.in_order))
                                       : floats(module, weight);
    if (!is_static(linear.activations)) return out;
    const bool nested = linear.activations == Activations::nvfp4;
    out.push_back(
        {module + (nested ? ".input_scale_2" : ".input_scale"), input_scale_of(as, linear, {})});
    // Of symmetric integers too, 0: its reader asks for it.
    if (linear.activations == Activations::int8_static ||
        linear.activations == Activations::int8_static_asym)
      out.push_back({module + ".input_zero_point",
                     number(DType::i8, static_cast<int8_t>(linear.input.zero))});
    return out;
  }

  Result<std::string> section(std::span<const WrittenLinear> linears) const override {
    const Scheme most = most_frequent(linears);
    JsonWriter json;
    json.begin_object().field("quant_method", "quark").field("quant_mode", "eager_mode");
    json.key("global_quant_config").raw(layer_json(most));
    json.key("layer_quant_config").begin_object();
    for (const WrittenLinear& linear : linears)
      if (!linear.scheme.weights->plain && !(linear.scheme == most))
        json.key(linear.module).raw(layer_json(linear.scheme));
    json.end_object().key("layer_type_quant_config").begin_object().end_object();
    json.key("exclude").begin_array();
    for (const std::string& module : plain_modules(linears)) json.value(module);
    json.end_array().key("algo_config").null().key("softmax_quant_spec").null();
    json.key("kv_cache_quant_config").begin_object().end_object();
    json.field("kv_cache_post_rope", false);
    json.key("export").begin_object().field("weight_format", "real_quantized");
    const bool in_order =
        std::ranges::any_of(linears, [](const auto& linear) { return linear.form.in_order; });
    json.field("pack_method", in_order ? "order" : "reorder")
        .key("kv_cache_group")
        .begin_array()
        .end_array();
    json.field("min_kv_scale", 0.0).key("weight_merge_groups").null().end_object();
    return json.end_object().take();
  }

 private:
  Result<std::vector<NamedTensor>> integers(const std::string& module,
                                            const QuantizedTensor& weight, bool in_order) const {
    const IntegerGrid& grid = *weight.format->grid;
    const bool of_tensor = weight.format->scale_block.rows == 0, is_signed = !grid.zero_points;
    const Tensor &scales = scales_of(weight), codes = plain_codes(weight),
                 zeros = plain_zeros(weight);
    if (grid.bits == 4) {
      // Two's complement where they are signed.
      const uint8_t sign = is_signed ? 8 : 0;
      const auto pack = [&](const Tensor& from, const char* reordered) {
        return packed(with_sign(from, sign), in_order ? "gptq_v2_zeros" : reordered, grid.bits);
      };
      Tensor words = TRY(pack(codes, "awq"));
      Tensor of_zeros = TRY(pack(zeros, "awq_zeros"));
      return std::vector<NamedTensor>{{module + ".weight", std::move(words)},
                                      {module + ".weight_scale", transposed(scales, pool_)},
                                      {module + ".weight_zero_point", std::move(of_zeros)}};
    }
    const DType type = is_signed ? DType::i8 : DType::u8;
    const auto bytes = [&](const Tensor& from) {
      const Tensor out = with_sign(from, is_signed ? 0x80 : 0);
      return out.viewed_as(type, out.shape());
    };
    if (grid.group != 0)
      return std::vector<NamedTensor>{
          {module + ".weight", transposed(bytes(codes), pool_)},
          {module + ".weight_scale", transposed(scales, pool_)},
          {module + ".weight_zero_point", transposed(bytes(zeros), pool_)}};
    const Shape of_scales = of_tensor ? Shape{} : Shape{weight.n};
    return std::vector<NamedTensor>{
        {module + ".weight", bytes(codes)},
        {module + ".weight_scale", scales.reshaped(of_scales)},
        {module + ".weight_zero_point",
         of_tensor ? Tensor(type, {}) : bytes(zeros).reshaped(of_scales)}};
  }

  static std::vector<NamedTensor> floats(const std::string& module, const QuantizedTensor& weight) {
    const std::string_view name = weight.format->name;
    Tensor scales = weight.planes[1];
    if (name == "fp8_e4m3_tensor") scales = scales.reshaped({});
    if (name == "fp8_e4m3_row") scales = scales.reshaped({weight.n});
    if (scales.dtype() == DType::f8_e8m0) scales = scales.viewed_as(DType::u8, scales.shape());
    std::vector<NamedTensor> out{{module + ".weight", weight.planes[0]},
                                 {module + ".weight_scale", std::move(scales)}};
    if (name == "nvfp4")
      out.push_back(
          {module + ".weight_scale_2", number(DType::f32, weight.planes[2].as<float>()[0])});
    return out;
  }
};

}  // namespace

DialectTarget quark_target() {
  return {
      .name = "quark",
      .holds = "INT8, INT4 in groups, FP8, MXFP8, MXFP6, MXFP4, NVFP4, a scheme for each linear",
      .readers = "vLLM, SGLang, AMD Quark",
      .create = [](const WriterOptions&) -> std::unique_ptr<DialectWriter> {
        return std::make_unique<QuarkWriter>();
      }};
}

}  // namespace farthing
