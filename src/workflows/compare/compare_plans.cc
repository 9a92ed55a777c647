// The rows of a comparison, from lists of schemes and methods.
#include "workflows/compare/compare_plans.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "quant/method.h"
#include "workflows/compare/method_choice.h"

namespace farthing {
namespace {

bool has(const std::vector<ComparePlan>& plans, const ComparePlan& plan) {
  return std::any_of(plans.begin(), plans.end(), [&](const ComparePlan& other) {
    return other.quantize.scheme == plan.quantize.scheme && other.automatic == plan.automatic &&
           method_of(other.quantize) == method_of(plan.quantize);
  });
}

std::string sentence_of(const Scheme& scheme, const MethodChoice& choice) {
  std::string others;
  for (const MethodTrial& trial : choice.trials)
    if (trial.error.empty() && trial.method != choice.method.name())
      others +=
          fmt::format("{}{} {:.4g}", others.empty() ? "" : ", ", trial.method, trial.kl.value);
  const auto won =
      std::find_if(choice.trials.begin(), choice.trials.end(),
                   [&](const MethodTrial& trial) { return trial.method == choice.method.name(); });
  return fmt::format("{}: {} was chosen by KL {:.4g} on {} ({})", scheme.name(), won->method,
                     won->kl.value, choice.protocol, others);
}

}  // namespace

std::vector<std::string> default_schemes() {
  // One or two of each family that people choose among; the registry has many more.
  static constexpr std::string_view formats[] = {
      "f16",       "bf16",     "fp8_e4m3_row", "mxfp8",         "mxfp4",     "nvfp4",
      "nf4",       "int8_row", "int4_g32",     "int4_g32_asym", "int4_g128", "int4_g128_asym",
      "int3_g128", "q4_0",     "q4_k",         "q6_k",          "q8_0"};
  std::vector<std::string> out;
  for (const std::string_view name : formats) {
    const Format* format = find_format(name);
    CHECK(format != nullptr);
    out.emplace_back(name);
    if (has_int8_product(*format) && format->default_activations == Activations::f32)
      out.push_back(out.back() + "@int8_block32");
  }
  return out;
}

Result<std::vector<Scheme>> schemes_of_list(const std::vector<std::string>& list) {
  std::vector<Scheme> out;
  for (const std::string& text : list.empty() ? default_schemes() : list) {
    if (text != "all" && !text.starts_with("all@")) {
      out.push_back(TRY(parse_scheme(text)));
      continue;
    }
    for (const Format& format : all_formats())
      if (format.name != "f32")
        out.push_back(TRY(parse_scheme(std::string(format.name) + text.substr(3))));
  }
  return out;
}

Result<std::vector<ComparePlan>> plan_rows(const CompareOptions& options) {
  std::vector<ComparePlan> out;
  std::optional<Scheme> tables;
  if (options.tables) tables = TRY(parse_scheme(*options.tables));
  for (const Scheme& scheme : TRY(schemes_of_list(options.formats))) {
    for (const std::string& name : options.methods) {
      ComparePlan row{{.scheme = scheme, .scale_rule = options.scale_rule, .tables = tables}};
      row.quantize.range.outlier_threshold = options.outlier_threshold;
      row.automatic = name == "auto";
      TRY(parse_method(row.automatic ? "rtn" : name)).apply(row.quantize);
      // Formats without a scale (f16) may stand among those that the rule is for.
      if (scheme.weights->scale_rules.empty()) row.quantize.scale_rule.reset();
      TRY(check_options(row.quantize));
      if (!has(out, row)) out.push_back(std::move(row));
    }
  }
  if (out.empty()) {
    return fail({.what = "nothing to compare",
                 .where = "--methods",
                 .got = "no method",
                 .wanted = fmt::format("auto, or one of {}", method_names()),
                 .remedy = "leave --methods away for rtn"});
  }
  return out;
}

Result<> choose_open_methods(Context& context, Checkpoint& checkpoint,
                             std::vector<ComparePlan>& plans, const CompareOptions& options,
                             const std::string& judged, const std::filesystem::path& scratch,
                             Progress& progress, std::vector<std::string>& notes) {
  std::vector<QuantizeOptions> open;
  for (const ComparePlan& plan : plans)
    if (plan.automatic) open.push_back(plan.quantize);
  if (open.empty()) return {};
  auto choices = TRY(
      choose_methods(context, checkpoint, open, options.calibration, judged, scratch, progress));
  auto choice = choices.begin();
  std::vector<ComparePlan> out;
  for (ComparePlan& plan : plans) {
    if (plan.automatic) {
      choice->method.apply(plan.quantize);
      notes.push_back(sentence_of(plan.quantize.scheme, *choice));
      plan.trials = std::move(choice++->trials);
      plan.automatic = false;
    }
    if (!has(out, plan)) out.push_back(std::move(plan));
  }
  plans = std::move(out);
  return {};
}

}  // namespace farthing
