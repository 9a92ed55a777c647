// The fields of config_groups, and the schemes that they state.
#include "model/dialects/compressed_tensors/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "model/dialects/integer_weights.h"

namespace farthing::compressed_tensors {
namespace {

constexpr const char* quantize_again =
    "use the unquantized model, which `farthing quantize` brings into any format";

Error not_read(const Arguments& a, std::string what, std::string wanted) {
  std::string got = fmt::format("{} {} bits, {}, strategy {}", a.floats ? "float" : "int", a.bits,
                                a.symmetric ? "symmetric" : "asymmetric", a.strategy);
  if (a.group_size > 0) got += fmt::format(", group_size {}", a.group_size);
  if (!a.block.empty()) got += fmt::format(", block_structure [{}]", fmt::join(a.block, ", "));
  if (a.dynamic != Arguments::Dynamic::no)
    got += a.dynamic == Arguments::Dynamic::local ? ", dynamic local" : ", dynamic";
  return {.what = std::move(what),
          .where = a.where,
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy = quantize_again};
}

bool is_there(const JsonObject& json, const char* field) {
  return json.has(field) && !json.is_null(field);
}

Result<Arguments::Dynamic> read_dynamic(const JsonObject& json) {
  const auto flag = json.boolean("dynamic", false);
  if (flag) return *flag ? Arguments::Dynamic::yes : Arguments::Dynamic::no;
  if (TRY(json.string("dynamic")) == "local") return Arguments::Dynamic::local;
  return fail(flag.error());
}

Result<Arguments> read_arguments(const JsonObject& json) {
  Arguments out;
  out.where = json.where();
  out.bits = TRY(json.integer("num_bits", out.bits));
  const std::string type = TRY(json.string("type", "int"));
  if (type != "int" && type != "float") {
    return fail({.what = "the quantization section has a type that is none",
                 .where = json.where() + ", field type",
                 .got = type,
                 .wanted = "int or float",
                 .remedy = "correct the field, or fetch the file again"});
  }
  out.floats = type == "float";
  out.symmetric = TRY(json.boolean("symmetric", true));
  out.group_size = TRY(json.integer("group_size", 0));
  if (is_there(json, "block_structure")) out.block = TRY(json.integers("block_structure"));
  out.strategy = TRY(json.string("strategy", out.group_size > 0     ? "group"
                                             : out.group_size == -1 ? "channel"
                                                                    : "tensor"));
  const bool grouped = out.strategy == "group" || out.strategy == "tensor_group";
  if (grouped && out.group_size < 1) {
    return fail({.what = "groups without a size",
                 .where = json.where() + ", field group_size",
                 .got = std::to_string(out.group_size),
                 .wanted = fmt::format("a number above 0, as strategy is {}", out.strategy),
                 .remedy = "correct the field, or fetch the file again"});
  }
  if (!grouped) out.group_size = 0;
  out.dynamic = TRY(read_dynamic(json));
  return out;
}

// Rounding that this program's linears do not do.
Result<> refuse(const JsonObject& json, const char* field) {
  if (!is_there(json, field)) return {};
  return fail({.what = "the quantization section asks for what is not computed here",
               .where = fmt::format("{}, field {}", json.where(), field),
               .got = "a value",
               .wanted = "null",
               .remedy = quantize_again});
}

Result<Activations> activations_of(const Group& group) {
  if (!group.inputs) return Activations::f32;
  const Arguments& a = *group.inputs;
  using Dynamic = Arguments::Dynamic;
  const bool token = a.strategy == "token" && a.dynamic == Dynamic::yes,
             fixed = a.strategy == "tensor" && a.dynamic == Dynamic::no,
             groups = a.strategy == "group" && a.dynamic == Dynamic::yes;
  if (a.bits == 8 && !a.floats) {
    if (token && a.symmetric) return Activations::int8_token;
    if (fixed) return a.symmetric ? Activations::int8_static : Activations::int8_static_asym;
  } else if (a.bits == 8 && a.symmetric) {
    if (token) return Activations::fp8_e4m3_token;
    if (fixed) return Activations::fp8_e4m3_static;
    if (groups && a.group_size == 128) return Activations::fp8_e4m3_g128;
    if (groups && a.group_size == 32) return Activations::mxfp8;
  } else if (a.bits == 4 && a.floats && a.symmetric) {
    if (a.strategy == "tensor_group" && a.group_size == 16 && a.dynamic == Dynamic::local)
      return Activations::nvfp4;
    if (groups && a.group_size == 32) return Activations::mxfp4;
  }
  return fail(not_read(
      a, "activations that no format is the same as",
      "8 bits for each token (int: symmetric), 8 bits static for the tensor, 8 bits float in "
      "groups of 128 or 32, 4 bits float in groups of 32, or NVFP4's"));
}

std::optional<IntegerArguments> possible_integers(const Arguments& a) {
  IntegerArguments out{.bits = static_cast<int>(a.bits), .zero_points = !a.symmetric};
  if (a.strategy == "group") {
    out.group = a.group_size;
  } else if (a.strategy == "tensor") {
    out.of_tensor = true;
  } else if (a.strategy != "channel") {
    return std::nullopt;
  }
  return out;
}

const Format* scaled_floats_of(const Arguments& a) {
  if (a.strategy == "tensor") return find_format("fp8_e4m3_tensor");
  if (a.strategy == "channel") return find_format("fp8_e4m3_row");
  if (a.strategy == "group" && a.group_size == 128) return find_format("fp8_e4m3_g128");
  if (a.strategy == "block" && a.block == std::vector<int64_t>{128, 128})
    return find_format("fp8_e4m3_block128");
  return nullptr;
}

}  // namespace

Result<std::vector<Group>> read_groups(const JsonObject& section) {
  TRY(refuse(section, "transform_config"));
  const std::string format = TRY(section.string("format", ""));
  const JsonObject groups = TRY(section.object("config_groups"));
  std::vector<Group> out;
  for (const std::string& name : groups.keys()) {
    const JsonObject json = TRY(groups.member(name));
    TRY(refuse(json, "output_activations"));
    Group group{TRY(ModuleTargets::parse(TRY(json.strings("targets")), json.where())),
                "",
                {},
                {},
                json.where()};
    group.format = TRY(json.string("format", format == "mixed-precision" ? "" : format));
    if (is_there(json, "weights")) group.weights = TRY(read_arguments(TRY(json.object("weights"))));
    if (is_there(json, "input_activations"))
      group.inputs = TRY(read_arguments(TRY(json.object("input_activations"))));
    out.push_back(std::move(group));
  }
  return out;
}

Result<std::optional<Storage>> storage_of(const Group& group) {
  const bool naive = group.format == "naive-quantized";
  std::optional<Storage> out;
  if (!group.weights || group.format == "dense") return out;
  const Arguments& a = *group.weights;
  bool fits = a.dynamic == Arguments::Dynamic::no;
  if (group.format == "pack-quantized") {
    out = Storage::packed;
    fits = fits && !a.floats && a.bits >= 2 && a.bits <= 8;
  } else if (group.format == "int-quantized" || (naive && !a.floats)) {
    out = Storage::integers;
    fits = fits && !a.floats && a.bits >= 2 && a.bits <= 8;
  } else if (group.format == "float-quantized" || naive) {
    out = Storage::scaled_floats;
    fits = fits && a.floats && a.bits == 8 && a.symmetric;
  } else if (group.format == "nvfp4-pack-quantized") {
    out = Storage::nvfp4;
    fits = fits && a.floats && a.bits == 4 && a.symmetric && a.group_size == 16;
  } else if (group.format == "mxfp4-pack-quantized") {
    out = Storage::mxfp4;
    fits = fits && a.floats && a.bits == 4 && a.symmetric && a.group_size == 32;
  } else if (group.format == "mxfp8-quantized") {
    out = Storage::mxfp8;
    fits = fits && a.floats && a.bits == 8 && a.symmetric && a.group_size == 32;
  } else {
    return fail({.what = group.format.empty() ? "a group of linears without a format"
                                              : "linears in a format of files that is not read",
                 .where = group.where + ", field format",
                 .got = group.format,
                 .wanted =
                     "dense, pack-quantized, int-quantized, float-quantized, naive-quantized, "
                     "nvfp4-pack-quantized, mxfp4-pack-quantized or mxfp8-quantized",
                 .remedy = quantize_again});
  }
  if (fits) return out;
  return fail(not_read(a, "weights that their format of files does not hold",
                       "what " + group.format + " holds"));
}

Result<Scheme> scheme_of(const Group& group, Storage storage) {
  const Arguments& a = *group.weights;
  Scheme out{nullptr, TRY(activations_of(group))};
  switch (storage) {
    case Storage::packed:
    case Storage::integers:
      if (const auto integers = possible_integers(a))
        out.weights = TRY(integer_format(*integers, a.where));
      break;
    case Storage::scaled_floats:
      out.weights = scaled_floats_of(a);
      break;
    case Storage::nvfp4:
      out.weights = find_format("nvfp4");
      break;
    case Storage::mxfp4:
      out.weights = find_format("mxfp4");
      break;
    case Storage::mxfp8:
      out.weights = find_format("mxfp8");
      break;
  }
  if (out.weights != nullptr) return out;
  return fail(not_read(a, "weights that no format holds",
                       a.floats ? "a scale for the tensor, each channel, groups of 128, or blocks "
                                  "of 128 x 128"
                                : "a scale for the tensor, each channel, or groups"));
}

IntegerArguments integers_of(const Arguments& weights) {
  const auto integers = possible_integers(weights);
  CHECK(integers.has_value());
  return *integers;
}

}  // namespace farthing::compressed_tensors
