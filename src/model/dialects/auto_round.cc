// auto-round: AutoRound's own name for directories whose tensors are those of GPTQ, AWQ or, of
// small floats, compressed-tensors.
//
// data_type int: packing_format says which: auto_round and auto_round:gptqmodel GPTQ's with zeros
// of version 2, auto_round:auto_gptq with those of version 1, auto_round:auto_awq AWQ's gemm.
// extra_config has the modules of other arguments, by name or regular expression; 16 bits: not
// quantized. data_type mx_fp, nv_fp: auto_round/floats.h. Source: AutoRound 0.16,
// auto_round/export/export_to_autoround/export.py.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "model/dialects/auto_round/floats.h"
#include "model/dialects/dialect.h"

namespace farthing {

Dialect gptq_dialect();
Dialect awq_dialect();

namespace {

constexpr int64_t unquantized_bits = 16;

Error not_read(const JsonObject& section, const char* field, std::string got, std::string wanted) {
  return {.what = "an AutoRound checkpoint of a kind that is not read",
          .where = fmt::format("{}, field {}", section.where(), field),
          .got = std::move(got),
          .wanted = std::move(wanted),
          .remedy = "let AutoRound export llm_compressor, auto_gptq or auto_awq"};
}

// A regular expression for whole names. A name is one too, but for its dots.
std::string pattern_of(const std::string& name) {
  std::string pattern;
  const bool plain = name.find_first_of("\\*+?[(|^$") == std::string::npos;
  for (const char letter : name)
    pattern += plain && letter == '.' ? std::string("\\.") : std::string(1, letter);
  return fmt::format("(?:{})$", pattern);
}

// As the patterns of GPTQ's `dynamic`.
Result<std::string> overrides_of(const JsonObject& extra) {
  JsonWriter json;
  json.begin_object();
  for (const std::string& name : extra.keys()) {
    const JsonObject of_module = TRY(extra.member(name));
    const int64_t bits = TRY(of_module.integer("bits", 0));
    json.key((bits >= unquantized_bits ? "-:" : "+:") + pattern_of(name)).begin_object();
    if (bits > 0) json.field("bits", bits);
    if (of_module.has("group_size") && !of_module.is_null("group_size"))
      json.field("group_size", TRY(of_module.integer("group_size")));
    if (of_module.has("sym") && !of_module.is_null("sym"))
      json.field("sym", TRY(of_module.boolean("sym")));
    json.end_object();
  }
  json.end_object();
  return json.take();
}

Result<std::vector<auto_round::Override>> float_overrides(const JsonObject& section) {
  std::vector<auto_round::Override> out;
  if (!section.has("extra_config") || section.is_null("extra_config")) return out;
  const JsonObject extra = TRY(section.object("extra_config"));
  for (const std::string& name : extra.keys()) {
    ModuleRegex pattern = TRY(ModuleRegex::compile(pattern_of(name), extra.where()));
    JsonObject of_module = TRY(extra.member(name));
    out.push_back({name, std::move(pattern), std::move(of_module)});
  }
  return out;
}

Result<> check_no_rotation(const JsonObject& section) {
  for (const char* field : {"rotation_config", "spinquant_config", "transform_config"}) {
    if (!section.has(field) || section.is_null(field)) continue;
    return fail({.what = "the quantization section asks for what is not computed here",
                 .where = fmt::format("{}, field {}", section.where(), field),
                 .got = "a value",
                 .wanted = "null",
                 .remedy = "let AutoRound quantize without rotations"});
  }
  return {};
}

Result<std::unique_ptr<DialectReader>> open(const DialectSource& source) {
  const JsonObject& section = source.section;
  TRY(check_no_rotation(section));
  const std::string type = TRY(section.string("data_type", "int"));
  if (type.starts_with("mx_fp") || type.starts_with("nv_fp"))
    return auto_round::open_floats(source, TRY(float_overrides(section)));
  if (type != "int") return fail(not_read(section, "data_type", type, "int, mx_fp or nv_fp"));
  const int64_t of_inputs = TRY(section.integer("act_bits", unquantized_bits));
  if (of_inputs < unquantized_bits)
    return fail(not_read(section, "act_bits", std::to_string(of_inputs), "16"));
  const std::string packing = TRY(section.string("packing_format", "auto_round"));
  if (packing == "auto_round:auto_awq")
    return awq_dialect().open(
        {source.directory, TRY(section.with("version", "\"gemm\"")), source.config});
  const bool second = packing == "auto_round" || packing == "auto_round:gptqmodel";
  if (!second && packing != "auto_round:auto_gptq")
    return fail(not_read(section, "packing_format", packing,
                         "auto_round, auto_round:gptqmodel, auto_round:auto_gptq or "
                         "auto_round:auto_awq"));
  JsonObject gptq = TRY(section.with("checkpoint_format", second ? "\"gptq_v2\"" : "\"gptq\""));
  if (section.has("extra_config") && !section.is_null("extra_config"))
    gptq = TRY(gptq.with("dynamic", TRY(overrides_of(TRY(section.object("extra_config"))))));
  return gptq_dialect().open({source.directory, gptq, source.config});
}

}  // namespace

Dialect auto_round_dialect() {
  return {.name = "auto-round", .quant_methods = {"auto-round", "intel/auto-round"}, .open = open};
}

}  // namespace farthing
