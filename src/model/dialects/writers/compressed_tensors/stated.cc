// Formats by the fields of config_groups.
#include "model/dialects/writers/compressed_tensors/stated.h"

#include <algorithm>

#include "base/json_writer.h"
#include "formats/input_groups.h"
#include "model/dialects/integer_weights.h"

namespace farthing::compressed_tensors {
namespace {

constexpr const char *e8m0 = "torch.uint8", *e4m3 = "torch.float8_e4m3fn";

struct StatedInputs {
  Activations activations;
  Stated stated;
};
constexpr StatedInputs inputs[] = {
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

constexpr SmallFloats small_floats[] = {
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

}  // namespace

std::string Stated::json() const {
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

const Stated* stated_inputs(Activations activations) {
  const auto* at = std::ranges::find(inputs, activations, &StatedInputs::activations);
  return at == std::end(inputs) ? nullptr : &at->stated;
}

const SmallFloats* small_floats_of(const Format& format) {
  const auto* at = std::ranges::find(small_floats, format.name, &SmallFloats::name);
  return at == std::end(small_floats) ? nullptr : at;
}

bool in_bytes(const Scheme& scheme) {
  return of_tensor(*scheme.weights) || scheme.activations != Activations::f32;
}

std::string_view format_of_files(const Scheme& scheme) {
  if (const SmallFloats* floats = small_floats_of(*scheme.weights)) return floats->format;
  return in_bytes(scheme) ? "int-quantized" : "pack-quantized";
}

bool has_zero_points(const WrittenLinear& as) {
  const Format& format = *as.scheme.weights;
  // Formats in activation order always store zero points.
  return has_input_groups(format) ? !as.middle_zeros : format.grid->zero_points;
}

Stated stated_weights(const WrittenLinear& as) {
  const Format& format = *as.scheme.weights;
  if (const SmallFloats* floats = small_floats_of(format)) return floats->stated;
  const IntegerGrid& grid = *format_in_runs(format).grid;
  Stated out{grid.bits, "int", !has_zero_points(as),
             of_tensor(format) ? "tensor"
             : grid.group == 0 ? "channel"
                               : "group",
             grid.group};
  out.act_order = has_input_groups(format) || as.form.input_groups;
  return out;
}

}  // namespace farthing::compressed_tensors
