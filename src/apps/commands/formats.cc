// farthing formats: the registry of number formats as a table.
#include <fmt/format.h>

#include "apps/command_line.h"
#include "apps/output.h"
#include "base/json_writer.h"
#include "formats/format.h"

namespace farthing {
namespace {

// The matrix that bits per weight are given for.
constexpr int64_t matrix_size = 4096;

struct Options {
  bool layout = false;
};

void declare(OptionList& list, Options& options) {
  list.flag("--layout", options.layout, "Bit layout and source of each format too");
}

std::vector<Activations> activations_of(const Format& format) {
  std::vector<Activations> out;
  for (const Activations activations : all_activations)
    if (parse_scheme(fmt::format("{}@{}", format.name, activations_name(activations))))
      out.push_back(activations);
  return out;
}

std::string json_text() {
  JsonWriter json(true);
  json.begin_array();
  for (const Format& format : all_formats()) {
    json.begin_object().field("name", format.name);
    json.field("bits_per_weight", bits_per_weight(format, matrix_size, matrix_size));
    json.field("value", format.value).field("layout", format.layout).field("source", format.source);
    json.field("block", format.block);
    json.key("scale_rules").begin_array();
    for (const ScaleRule rule : format.scale_rules) json.value(scale_rule_name(rule));
    json.end_array();
    json.field("default_activations", activations_name(format.default_activations));
    json.key("activations").begin_array();
    for (const Activations activations : activations_of(format)) {
      const ActivationsInfo& info = activations_info(activations);
      json.begin_object().field("name", info.name).field("scale", info.scale);
      json.field("batch_invariant", info.batch_invariant).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  return json.take();
}

std::string text(const Options& options) {
  std::vector<std::vector<std::string>> rows{{"format", "bits/weight", "activations", "value"}};
  for (const Format& format : all_formats()) {
    std::string activations(activations_name(format.default_activations));
    for (const Activations other : activations_of(format))
      if (other != format.default_activations)
        activations += fmt::format(", {}", activations_name(other));
    rows.push_back({std::string(format.name),
                    fmt::format("{:.3f}", bits_per_weight(format, matrix_size, matrix_size)),
                    activations, std::string(format.value)});
  }
  std::string out = table_text(rows);
  out += fmt::format(
      "\nbits/weight: of a {0} x {0} matrix, scales and zero points counted. activations: what the "
      "input of a linear "
      "can be\nrounded to, the default first. A scheme is written WEIGHTS[@ACTIVATIONS]: "
      "int4_g128@int8_block32.\n\n",
      matrix_size);
  rows = {{"activations", "scale", "batch invariant"}};
  for (const Activations activations : all_activations) {
    const ActivationsInfo& info = activations_info(activations);
    rows.push_back(
        {std::string(info.name), std::string(info.scale),
         info.batch_invariant ? "yes" : "no: measured only, neither trained nor served"});
  }
  out += table_text(rows);
  if (options.layout)
    for (const Format& format : all_formats())
      out += fmt::format("\n{}\n  layout: {}\n  source: {}\n", format.name, format.layout,
                         format.source);
  return out;
}

Result<> run(const CommonOptions& common, const Options& options) {
  return print(common.json ? json_text() : text(options));
}

}  // namespace

Command formats_command() {
  return make_command<Options>(
      {.name = "formats",
       .summary = "lists the number formats that weights can be stored in",
       .details = "Each with its bits per weight, its values and the activation formats that "
                  "it can be multiplied with.",
       .example = "  farthing formats\n  farthing formats --layout"},
      declare, run);
}

}  // namespace farthing
