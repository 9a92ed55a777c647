// farthing compare: quantizes a model to several formats and measures what each costs.
#include "workflows/compare/compare.h"

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "quant/method.h"

namespace farthing {
namespace {

struct Options {
  CompareOptions compare;
  std::string model, text, output, tables, note, calibration;
  int64_t repetitions = CompareOptions().speed.runs;
  float outlier_threshold = -1;  // -1: the default
};

Result<std::string> checked_scheme(const std::string& given) {
  TRY(parse_scheme(given));
  return given;
}

void declare(OptionList& list, Options& options) {
  CompareOptions& compare = options.compare;
  list.required("model,-m,--model", "MODEL", options.model, "The unquantized model");
  list.list("--formats", "SCHEME,...", compare.formats,
            "Schemes to compare, or all, or all@ACTIVATIONS; a good selection without it");
  list.list("--methods", "NAME,...", compare.methods,
            "How weights are quantized: " + method_names() +
                "; auto: for each scheme the one that costs least on a part of the calibration "
                "text that none of them sees");
  list.parsed("--scale-rule", "RULE", compare.scale_rule, parse_scale_rule,
              "How scales are chosen; each format's own rule without it");
  list.parsed("--tables,--token-embedding-type,--output-tensor-type", "SCHEME", options.tables,
              checked_scheme,
              "Embedding and head too, both to this scheme; without it they stay as they are");
  list.text("--calibration,--dataset", "FILE", options.calibration,
            "The text that methods which see inputs are calibrated with; articles of WikiText-2, "
            "others than the text's, without it");
  list.integer("--num-calibration-samples", compare.calibration.samples, 1, 1 << 20,
               "How many pieces of that text are read");
  list.integer("--max-seq-length", compare.calibration.context, 2, 1 << 20,
               "Tokens of such a piece; the model's context if that is less");
  declare_outlier_threshold(list, options.outlier_threshold);
  list.text("--text", "FILE", options.text,
            "The text; without it a built-in excerpt of WikiText-2");
  list.integer("--tokens", compare.windows.tokens, 2, int64_t{1} << 40,
               "At most so many tokens of the text");
  list.integer("-c,--context", compare.windows.context, 2, 1 << 20, "Tokens of a window");
  list.integer("-p,--n-prompt", compare.speed.prompt_tokens, 1, 1 << 20,
               "Tokens of the prompt whose speed is measured");
  list.integer("-n,--n-gen", compare.speed.decode_tokens, 1, 1 << 20, "Tokens written behind it");
  list.integer("-r,--repetitions", options.repetitions, 1, 1000,
               "Runs of both; the median counts, after a short one to warm up");
  declare_kv_cache(list, compare.speed.kv_cache);
  list.text("-o,--output", "DIR", options.output, "A folder for report.html and report.json");
  list.text("--note", "TEXT", options.note, "A note for the report");
}

Result<> check(const Options& options) {
  const std::vector<Scheme> schemes = TRY(schemes_of_list(options.compare.formats));
  for (const std::string& method : options.compare.methods)
    if (method != "auto") TRY(parse_method(method));
  QuantizeOptions wanted{.scheme = schemes.front()};
  for (const Scheme& scheme : schemes) wanted.rules.push_back({.layers = "*", .scheme = scheme});
  return check_outlier_threshold(options.outlier_threshold >= 0, wanted);
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  CompareOptions compare_options = options.compare;
  compare_options.model = options.model;
  compare_options.speed.runs = static_cast<int>(options.repetitions);
  if (options.outlier_threshold >= 0) compare_options.outlier_threshold = options.outlier_threshold;
  if (!options.calibration.empty()) compare_options.calibration.text = options.calibration;
  if (!options.text.empty()) compare_options.text = options.text;
  if (!options.tables.empty()) compare_options.tables = options.tables;
  if (!options.output.empty()) compare_options.output = options.output;
  if (!options.note.empty()) compare_options.notes.push_back(options.note);
  CompareReport report;
  {
    ProgressBar progress;
    report = TRY(compare(owner->get(), compare_options, progress));
  }
  return print(common.json ? compare_json(report) : compare_text(report));
}

}  // namespace

Command compare_command() {
  return make_command<Options>(
      {.name = "compare",
       .summary = "quantizes to several formats and measures size, quality and speed",
       .details = "Each scheme is measured against the unquantized model on the same text: "
                  "perplexity, KL divergence, top-1\n"
                  "agreement, size, memory and speed. Recommends one. With -o the report is "
                  "written as HTML and JSON.",
       .example = "  farthing compare models/stories260k --formats int8_row,int4_g32,q4_0 --tokens "
                  "2048 -o report"},
      declare, run, check);
}

}  // namespace farthing
