// AutoRound's MXFP4, MXFP8 and NVFP4: the tensors are those of compressed-tensors; the section
// states one scheme, and extra_config that of single modules.
//
// Layout: of a linear P [n, k] that has a P.weight_scale
//   mx_fp, 4 bits  P.weight_packed U8 [n, k / 2], P.weight_scale U8 [n, k / 32]
//   mx_fp, 8 bits  P.weight F8_E4M3 [n, k], P.weight_scale U8 [n, k / 32]
//   nv_fp          P.weight_packed U8 [n, k / 2], P.weight_scale F8_E4M3 [n, k / 16],
//                  P.weight_global_scale and, of rounded inputs, P.input_global_scale, which divide
// Source: AutoRound 0.16, auto_round/export/export_to_autoround/qlinear_fp.py.
#include "model/dialects/auto_round/floats.h"

#include <fmt/format.h>

#include <optional>

#include "model/dialects/small_float_weights.h"
#include "model/dialects/stored_tensors.h"

namespace farthing::auto_round {
namespace {

constexpr int64_t unquantized_bits = 16;

// Of the section, or of one of its overrides.
struct Arguments {
  int64_t bits = 0, group_size = 0, input_bits = unquantized_bits;
  std::string type, input_type;
  bool operator==(const Arguments&) const = default;
};

Result<Arguments> read_arguments(const JsonObject& from, const Arguments& base) {
  Arguments out;
  out.bits = TRY(from.integer("bits", base.bits));
  out.group_size = TRY(from.integer("group_size", base.group_size));
  out.input_bits = TRY(from.integer("act_bits", base.input_bits));
  out.type = TRY(from.string("data_type", base.type));
  out.input_type = TRY(from.string("act_data_type", base.input_type));
  return out;
}

bool is_mx(const std::string& type) { return type.find("mx_fp") != std::string::npos; }
bool is_nv(const std::string& type) { return type.find("nv_fp") != std::string::npos; }

const Format* format_of(const Arguments& a) {
  if (is_mx(a.type) && a.group_size == 32) {
    if (a.bits == 4) return find_format("mxfp4");
    if (a.bits == 8) return find_format("mxfp8");
  }
  return is_nv(a.type) && a.bits == 4 && a.group_size == 16 ? find_format("nvfp4") : nullptr;
}

std::optional<Activations> activations_of(const Arguments& a) {
  if (a.input_bits >= unquantized_bits) return Activations::f32;
  const std::string& type = a.input_type.empty() ? a.type : a.input_type;
  if (is_mx(type) && a.input_bits == 4) return Activations::mxfp4;
  if (is_mx(type) && a.input_bits == 8) return Activations::mxfp8;
  if (is_nv(type) && a.input_bits == 4) return Activations::nvfp4;
  return std::nullopt;
}

class FloatReader : public DialectReader {
 public:
  FloatReader(const DialectSource& source, std::vector<Override> overrides)
      : directory_(source.directory),
        where_(source.section.where()),
        overrides_(std::move(overrides)) {}

  Result<> read_section(const JsonObject& section) {
    base_ = TRY(read_arguments(section, {}));
    return {};
  }

  Result<std::optional<StoredAs>> find(const LinearSpec& spec, bool) const override {
    const std::string module = module_of(spec.name);
    if (directory_.find(module + ".weight_scale") == nullptr) return std::nullopt;
    const Arguments a = TRY(arguments_of(module));
    if (a.bits >= unquantized_bits)
      return fail(left_out_error(where_ + ", field extra_config", "16 bits", module,
                                 module + ".weight_scale"));
    const Format* format = format_of(a);
    const auto activations = activations_of(a);
    if (format == nullptr || !activations) {
      return fail({.what = "an AutoRound checkpoint of a kind that is not read",
                   .where = fmt::format("{}, module {}", where_, module),
                   .got = fmt::format("data_type {} of {} bits in groups of {}, act_bits {} {}",
                                      a.type, a.bits, a.group_size, a.input_bits, a.input_type),
                   .wanted = "mx_fp of 4 or 8 bits in groups of 32, or nv_fp of 4 in groups of 16",
                   .remedy = "let AutoRound export llm_compressor, auto_gptq or auto_awq"});
    }
    StoredAs out{{format, *activations}, {}};
    for (const char* part : {".weight_packed", ".weight", ".weight_scale", ".weight_global_scale",
                             ".input_global_scale"})
      if (directory_.find(module + part) != nullptr) out.tensors.push_back(module + part);
    return out;
  }

  Result<StoredLinear> read(const LinearSpec& spec, const StoredAs& as) const override {
    const std::string module = module_of(spec.name);
    const Format& format = *as.scheme.weights;
    const SmallFloatTensors tensors{
        module + (format.name == "mxfp8" ? ".weight" : ".weight_packed"), module + ".weight_scale"};
    StoredLinear out;
    out.weight =
        format.name == "nvfp4"
            ? TRY(nvfp4_weight(directory_, tensors,
                               1 / TRY(scale_of(directory_, module + ".weight_global_scale")),
                               spec.n, spec.k))
            : TRY(micro_scaled_weight(directory_, format, tensors, spec.n, spec.k));
    out.activations = as.scheme.activations;
    if (is_static(out.activations))
      out.input.scale = 1 / TRY(scale_of(directory_, module + ".input_global_scale"));
    return out;
  }

 private:
  // Names go before expressions, which are unordered.
  Result<Arguments> arguments_of(const std::string& module) const {
    const Override* found = nullptr;
    for (const Override& one : overrides_) {
      if (one.text == module) return read_arguments(one.fields, base_);
      if (!one.pattern.matches(module)) continue;
      if (found != nullptr &&
          TRY(read_arguments(found->fields, base_)) != TRY(read_arguments(one.fields, base_))) {
        return fail({.what = "two overrides say different things of one module",
                     .where = fmt::format("{}, field extra_config, module {}", where_, module),
                     .got = fmt::format("\"{}\" and \"{}\"", found->text, one.text),
                     .wanted = "one, or several that agree",
                     .remedy = "make the patterns of extra_config exclude each other"});
      }
      found = &one;
    }
    return found == nullptr ? Result<Arguments>(base_) : read_arguments(found->fields, base_);
  }

  const HuggingFaceDirectory& directory_;
  std::string where_;
  std::vector<Override> overrides_;
  Arguments base_;
};

}  // namespace

Result<std::unique_ptr<DialectReader>> open_floats(const DialectSource& source,
                                                   std::vector<Override> overrides) {
  auto out = std::make_unique<FloatReader>(source, std::move(overrides));
  TRY(out->read_section(source.section));
  return out;
}

}  // namespace farthing::auto_round
