// farthing sensitivity: what quantizing each part of a model costs by itself.
#include "workflows/sensitivity/sensitivity.h"

#include "apps/command_line.h"
#include "apps/open_model.h"
#include "apps/output.h"
#include "formats/format.h"
#include "quant/method.h"

namespace farthing {
namespace {

struct Options {
  SensitivityOptions sensitivity;
  std::string model, text, output;
  std::optional<Method> method;
  std::vector<std::string> formats, earlier;
  float target_bits = 0, outlier_threshold = -1;  // -1: the default
};

Result<SensitivityPart> parse_part(const std::string& text) {
  if (const auto part = find_part(text)) return *part;
  return fail({.what = "there is no such part of a model",
               .where = "--by",
               .got = text,
               .wanted = "linear, block or kind",
               .remedy = "leave --by away for linear"});
}

void declare(OptionList& list, Options& options) {
  SensitivityOptions& to = options.sensitivity;
  list.required("model,-m,--model", "MODEL", options.model, "The unquantized model");
  list.list("--formats", "SCHEME,...", options.formats,
            "The schemes to try on each part; int4_g32,int8_g32 without it");
  declare_outlier_threshold(list, options.outlier_threshold);
  list.list("--reuse", "FILE,...", options.earlier,
            "report.json of earlier runs on the same model, text, method and threshold: what they "
            "measured is "
            "not measured again");
  list.parsed("--method", "NAME", options.method, parse_method,
              "How weights are quantized: " + algorithm_names() + "; rtn without it");
  list.integer("--num-calibration-samples", to.calibration.samples, 1, 1 << 20,
               "Of a method that sees inputs: how many pieces of the text it is calibrated with");
  list.integer("--max-seq-length", to.calibration.context, 2, 1 << 20, "Tokens of such a piece");
  list.parsed("--by", "PART", to.part, parse_part,
              "What is quantized by itself: linear, block, or kind (a name in all blocks)");
  list.text(
      "--text,--calibration", "FILE", options.text,
      "The text; not the one that the result will be judged by. Articles of WikiText-2 without "
      "it");
  list.integer("--tokens", to.windows.tokens, 2, int64_t{1} << 40,
               "At most so many tokens of the text");
  list.integer("-c,--context", to.windows.context, 2, 1 << 20, "Tokens of a window");
  list.number("--target-bits", options.target_bits, 0.5f, 32,
              "Chooses each part's scheme among --formats for so many bits a weight in all, and "
              "writes a recipe");
  list.text("-o,--output", "DIR", options.output,
            "A folder for report.html, report.json and recipe.toml");
}

Result<> check(const Options& options) {
  QuantizeOptions tried;
  for (const std::string& format : options.formats)
    tried.rules.push_back({.layers = "*", .scheme = TRY(parse_scheme(format))});
  if (options.earlier.empty()) TRY(check_outlier_threshold(options.outlier_threshold >= 0, tried));
  if (!options.method || options.method->rescaling == nullptr) return {};
  return fail({.what = "a method that rescales channels has no layers that stand alone",
               .where = "--method",
               .got = options.method->name(),
               .wanted = "one of " + algorithm_names(),
               .remedy = "measure with the algorithm, and quantize the recipe with both"});
}

Result<> run(const CommonOptions& common, const Options& options) {
  const auto owner = TRY(open_context(common));
  SensitivityOptions wanted = options.sensitivity;
  wanted.model = options.model;
  if (!options.formats.empty() || !options.earlier.empty()) wanted.formats = options.formats;
  wanted.earlier.assign(options.earlier.begin(), options.earlier.end());
  if (options.outlier_threshold >= 0) wanted.outlier_threshold = options.outlier_threshold;
  if (options.method) wanted.method = options.method->algorithm;
  if (!options.text.empty()) wanted.text = options.text;
  if (!options.output.empty()) wanted.output = options.output;
  if (options.target_bits != 0) wanted.target_bits = static_cast<double>(options.target_bits);
  SensitivityReport report;
  {
    ProgressBar progress;
    report = TRY(sensitivity(owner->get(), wanted, progress));
  }
  return print(common.json ? sensitivity_json(report) : sensitivity_text(report));
}

}  // namespace

Command sensitivity_command() {
  return make_command<Options>(
      {.name = "sensitivity",
       .summary = "what quantizing each layer alone costs, and which should get more bits",
       .details =
           "Quantizes one part at a time to each scheme and measures the KL divergence to the "
           "unquantized model; then all\n"
           "together. With --target-bits it spends a budget where it saves the most, as a "
           "recipe for `farthing quantize`.",
       .example = "  farthing sensitivity models/stories260k --formats int3_g32,int4_g32,int8_g32 "
                  "--target-bits 4.5 -o sensitivity\n"
                  "  farthing sensitivity models/stories260k --reuse sensitivity/report.json "
                  "--target-bits 5 -o five-bits"},
      declare, run, check);
}

}  // namespace farthing
