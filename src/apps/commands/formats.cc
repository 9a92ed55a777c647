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
    for (const Activations activations : all_activations) {
      const ActivationsInfo& info = activations_info(activations);
      const bool int8 = product_input(Scheme{&format, activations}) == ProductInput::int8_blocks;
      json.begin_object().field("name", info.name).field("scale", info.scale);
      json.field("product", int8 ? "int8" : "f32");
      json.field("batch_invariant", info.batch_invariant).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  return json.take();
}

std::string text(const Options& options) {
  std::vector<std::vector<std::string>> rows{
      {"format", "bits/weight", "activations", "int8 product", "value"}};
  for (const Format& format : all_formats()) {
    rows.push_back({std::string(format.name),
                    fmt::format("{:.3f}", bits_per_weight(format, matrix_size, matrix_size)),
                    std::string(activations_name(format.default_activations)),
                    has_int8_product(format) ? "yes" : "no", std::string(format.value)});
  }
  std::string out = table_text(rows);
  out += fmt::format(
      "\nbits/weight: of a {0} x {0} matrix, scales and zero points counted. activations: what the "
      "input of a linear\nis rounded to by default; every format multiplies with every one below. "
      "A "
      "scheme is written WEIGHTS[@ACTIVATIONS]:\nint4_g128@int8_block32. int8 product: codes of "
      "int8 "
      "activations are multiplied as they are; else their values are, as f32.\n\n",
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
       .details = "Each with its bits per weight, its values and its default activation format; "
                  "then the activation formats.",
       .example = "  farthing formats\n  farthing formats --layout"},
      declare, run);
}

}  // namespace farthing
