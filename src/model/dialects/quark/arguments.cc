// The fields of a layer's configuration, and the formats that they state.
#include "model/dialects/quark/arguments.h"

#include <fmt/format.h>

#include <tuple>

namespace farthing::quark {
namespace {

constexpr const char* quantize_again =
    "use the unquantized model, which `farthing quantize` brings into any format";

bool is_there(const JsonObject& json, const char* field) {
  return json.has(field) && !json.is_null(field);
}

std::string text_of(const std::vector<Arguments>& all) {
  std::string out;
  for (const Arguments& a : all) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", scaled by ", a.dtype, a.qscheme);
    if (a.group_size > 0) out += fmt::format(" of {}", a.group_size);
    if (!a.block.empty()) out += fmt::format(" of [{}]", fmt::join(a.block, ", "));
    out += a.symmetric ? "" : ", asymmetric";
    out += a.dynamic ? ", dynamic" : "";
    out += a.powers_of_two ? ", scales e8m0" : "";
  }
  return out;
}

Error not_read(const std::vector<Arguments>& all, std::string what, std::string wanted) {
  return {.what = std::move(what),
          .where = all.front().where,
          .got = text_of(all),
          .wanted = std::move(wanted),
          .remedy = quantize_again};
}

Result<Arguments> read_arguments(const JsonObject& json) {
  Arguments out;
  out.where = json.where();
  out.dtype = TRY(json.string("dtype"));
  out.qscheme = TRY(json.string("qscheme"));
  out.group_size = TRY(json.integer("group_size", 0));
  out.axis = TRY(json.integer("ch_axis", 0));
  if (is_there(json, "block_size")) out.block = TRY(json.integers("block_size"));
  const bool grouped = out.qscheme == "per_group";
  if (grouped && out.group_size < 1) {
    return fail({.what = "groups without a size",
                 .where = json.where() + ", field group_size",
                 .got = std::to_string(out.group_size),
                 .wanted = "a number above 0, as qscheme is per_group",
                 .remedy = "correct the field, or fetch the file again"});
  }
  if (!grouped) out.group_size = 0;
  if (out.qscheme != "per_block") out.block.clear();
  // Of floats there is no other way.
  out.symmetric = TRY(json.boolean("symmetric", true)) || out.dtype.starts_with("fp");
  out.dynamic = TRY(json.boolean("is_dynamic", false));
  out.powers_of_two = TRY(json.string("scale_format", "")) == "e8m0";
  return out;
}

// Of one, of two where its scales are quantized too, or none.
Result<std::vector<Arguments>> read_list(const JsonObject& json, const char* field) {
  std::vector<Arguments> out;
  if (!is_there(json, field)) return out;
  if (const auto list = json.objects(field)) {
    for (const JsonObject& each : *list) out.push_back(TRY(read_arguments(each)));
  } else {
    out.push_back(TRY(read_arguments(TRY(json.object(field)))));
  }
  return out;
}

// 16 weights or inputs under an E4M3 scale, and these under one for the tensor.
bool is_nvfp4(const std::vector<Arguments>& all) {
  return all.size() == 2 && all[0].dtype == "fp4" && all[0].qscheme == "per_group" &&
         all[0].group_size == 16 && all[1].dtype == "fp8_e4m3" && all[1].qscheme == "per_tensor" &&
         !all[1].dynamic;
}
// Groups of 32 under powers of two.
bool is_micro_scaled(const Arguments& a) {
  return a.qscheme == "per_group" && a.group_size == 32 && a.powers_of_two;
}

const Format* float_format(const Arguments& a) {
  if (is_micro_scaled(a)) {
    if (a.dtype == "fp4") return find_format("mxfp4");
    if (a.dtype == "fp8_e4m3") return find_format("mxfp8");
    if (a.dtype == "fp6_e2m3" || a.dtype == "fp6_e3m2") return find_format("mx" + a.dtype);
  }
  if (a.dtype != "fp8_e4m3" || a.powers_of_two) return nullptr;
  if (a.qscheme == "per_tensor") return find_format("fp8_e4m3_tensor");
  if (a.qscheme == "per_channel" && a.axis == 0) return find_format("fp8_e4m3_row");
  if (a.qscheme == "per_group" && a.group_size == 128) return find_format("fp8_e4m3_g128");
  if (a.block == std::vector<int64_t>{128, 128}) return find_format("fp8_e4m3_block128");
  return nullptr;
}

// Unsigned codes have a zero point somewhere.
std::optional<IntegerArguments> integers_of(const Arguments& a) {
  const bool is_unsigned = a.dtype.starts_with("uint");
  const std::string type = is_unsigned ? a.dtype.substr(1) : a.dtype;
  const bool grouped = a.qscheme == "per_group";
  if ((type != "int8" && !(type == "int4" && grouped)) || a.powers_of_two ||
      (is_unsigned && a.symmetric))
    return std::nullopt;
  IntegerArguments out{.bits = type == "int8" ? 8 : 4, .zero_points = !a.symmetric};
  out.of_tensor = a.qscheme == "per_tensor";
  out.group = a.group_size;
  if (!grouped && !out.of_tensor && (a.qscheme != "per_channel" || a.axis != 0))
    return std::nullopt;
  return out;
}

}  // namespace

bool Arguments::operator==(const Arguments& other) const {
  const auto fields = [](const Arguments& a) {
    return std::tie(a.dtype, a.qscheme, a.group_size, a.axis, a.block, a.symmetric, a.dynamic,
                    a.powers_of_two);
  };
  return fields(*this) == fields(other);
}

Result<Layer> read_layer(const JsonObject& json, bool cache_outputs) {
  Layer out;
  out.weight = TRY(read_list(json, "weight"));
  out.inputs = TRY(read_list(json, "input_tensors"));
  for (const char* field : {"output_tensors", "bias"}) {
    if (!is_there(json, field) || (cache_outputs && field == std::string_view("output_tensors")))
      continue;
    return fail({.what = "the quantization section asks for what is not computed here",
                 .where = fmt::format("{}, field {}", json.where(), field),
                 .got = "a value",
                 .wanted = "null",
                 .remedy = quantize_again});
  }
  return out;
}

Result<Weights> weights_of(const Layer& layer) {
  const auto& all = layer.weight;
  if (is_nvfp4(all)) return Weights{find_format("nvfp4"), Storage::nvfp4};
  const Arguments& a = all.front();
  if (all.size() == 1 && !a.dynamic) {
    if (const Format* format = float_format(a))
      return Weights{format, is_micro_scaled(a) ? Storage::micro_scaled : Storage::scaled_floats};
    if (const auto integers = integers_of(a)) {
      const Format* format = TRY(integer_format(*integers, a.where));
      return Weights{format,
                     a.qscheme != "per_group" ? Storage::bytes
                     : integers->bits == 8    ? Storage::bytes_of_groups
                                              : Storage::words_of_groups,
                     !a.dtype.starts_with("uint"), *integers};
    }
  }
  return fail(not_read(all, "weights that no format holds",
                       "fp8_e4m3 for the tensor, channels, groups of 128 or blocks of 128 x 128; "
                       "fp8_e4m3, fp6 or fp4 in groups of 32 under e8m0; NVFP4's; int8 or uint8 "
                       "for the tensor, channels or groups; int4 or uint4 in groups"));
}

Result<Activations> activations_of(const Layer& layer) {
  const auto& all = layer.inputs;
  if (all.empty()) return Activations::f32;
  if (is_nvfp4(all)) return Activations::nvfp4;
  const Arguments& a = all.front();
  if (all.size() == 1) {
    const bool fixed = a.qscheme == "per_tensor" && !a.dynamic;
    // Of inputs [batch, tokens, k].
    const bool token = a.qscheme == "per_channel" && a.dynamic && (a.axis == 0 || a.axis == 1);
    if (a.dtype == "int8") {
      if (token && a.symmetric) return Activations::int8_token;
      if (fixed) return a.symmetric ? Activations::int8_static : Activations::int8_static_asym;
    } else if (a.dtype == "fp8_e4m3") {
      if (token) return Activations::fp8_e4m3_token;
      if (fixed) return Activations::fp8_e4m3_static;
      if (a.dynamic && is_micro_scaled(a)) return Activations::mxfp8;
      if (a.dynamic && a.group_size == 128 && !a.powers_of_two) return Activations::fp8_e4m3_g128;
    } else if (a.dtype == "fp4" && a.dynamic && is_micro_scaled(a)) {
      return Activations::mxfp4;
    }
  }
  return fail(not_read(
      all, "activations that no format is the same as",
      "int8 (symmetric) or fp8_e4m3 per_channel and dynamic; int8 or fp8_e4m3 per_tensor and "
      "static; fp8_e4m3 dynamic in groups of 128, or of 32 under e8m0; fp4 in groups of 32 under "
      "e8m0; NVFP4's"));
}

}  // namespace farthing::quark
