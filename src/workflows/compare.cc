// The comparison: baseline first, then each scheme by each method.
#include "workflows/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "model/checkpoint.h"
#include "quant/method.h"
#include "workflows/comparison.h"
#include "workflows/report_folder.h"

namespace farthing {
namespace fs = std::filesystem;

namespace {

// What to quantize to, checked before anything runs.
Result<std::vector<QuantizeOptions>> plan_rows(const CompareOptions& options) {
  std::vector<QuantizeOptions> out;
  std::optional<Scheme> tables;
  if (options.tables) tables = TRY(parse_scheme(*options.tables));
  for (const Scheme& scheme : TRY(schemes_of_list(options.formats))) {
    for (const std::string& name : options.methods) {
      QuantizeOptions row{.scheme = scheme, .scale_rule = options.scale_rule, .tables = tables};
      TRY(parse_method(name)).apply(row);
      // Formats without a scale (f16) may stand among those that the rule is for.
      if (scheme.weights->scale_rules.empty()) row.scale_rule.reset();
      TRY(check_options(row));
      const bool twice = std::any_of(out.begin(), out.end(), [&](const QuantizeOptions& other) {
        return other.scheme == row.scheme && method_of(other) == method_of(row);
      });
      if (!twice) out.push_back(std::move(row));
    }
  }
  if (out.empty()) {
    return fail({.what = "nothing to compare",
                 .where = "--methods",
                 .got = "no method",
                 .wanted = "one of " + method_names(),
                 .remedy = "leave --methods away for rtn"});
  }
  return out;
}

// The text's windows, for this model.
Result<Windows> windows_for(const Checkpoint& checkpoint, const EvaluationText& text,
                            const WindowOptions& options) {
  const ModelConfig& config = checkpoint.config();
  if (options.context > config.max_positions) {
    return fail({.what = "the windows are longer than the model's context",
                 .where = "--context",
                 .got = fmt::format("{} tokens", options.context),
                 .wanted = fmt::format("at most {} tokens", config.max_positions),
                 .remedy = fmt::format("use --context {}", config.max_positions)});
  }
  return Windows::of_text(TRY(checkpoint.tokenizer()), text, options, config.vocabulary_size);
}

// A note, where the model was moved off a quantization grid before.
std::optional<std::string> offgrid_note(const fs::path& model) {
  std::error_code ignored;
  if (!fs::exists(model / "farthing-offgrid.json", ignored)) return std::nullopt;
  return "The weights were moved off the 4-bit grid of an earlier quantization before they were "
         "measured: channels were "
         "permuted and gently rescaled, without changing what the model computes "
         "(farthing-offgrid.json). On that grid, "
         "formats that share it would look better than they are.";
}

// A word of a shell's command.
std::string quoted(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("._-+/@=:,").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Quantizes the model as the recommended row was.
std::string command_for(const CompareReport& report, const CompareOptions& options) {
  const auto row =
      std::find_if(report.rows.begin(), report.rows.end(), [&](const CompareRow& candidate) {
        return candidate.error.empty() && candidate.name() == report.recommendation.name;
      });
  std::string folder = row->scheme;
  std::replace(folder.begin(), folder.end(), '@', '-');
  std::string out =
      fmt::format("farthing quantize {} --format {}", quoted(report.model), row->scheme);
  if (row->method != "rtn") out += " --method " + row->method;
  if (options.scale_rule && !row->scale_rule.empty()) out += " --scale-rule " + row->scale_rule;
  if (row->method != "rtn" && options.calibration.text)
    out += " --calibration " + quoted(options.calibration.text->string());
  if (options.tables) out += " --tables " + quoted(*options.tables);
  return out + " -o " + folder;
}

}  // namespace

std::string CompareRow::name() const {
  return method.empty() || method == "rtn" ? scheme : fmt::format("{} ({})", scheme, method);
}

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

Result<CompareReport> compare(Context& context, const CompareOptions& options, Progress& progress) {
  auto plans = TRY(plan_rows(options));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const EvaluationText text = TRY(load_text(options.text));
  Windows windows = TRY(windows_for(*checkpoint, text, options.windows));
  ReportFolder output = TRY(ReportFolder::prepare(options.output));
  SpilledBaseline spill =
      TRY(SpilledBaseline::create(output.scratch(), windows, checkpoint->config().vocabulary_size));

  CompareReport report;
  report.model = options.model.string();
  report.protocol = measuring_protocol(windows, text);
  report.place = measuring_place(context);
  report.notes = options.notes;
  if (const auto note = offgrid_note(options.model)) report.notes.push_back(*note);

  std::shared_ptr<const Calibration> calibration;
  for (QuantizeOptions& plan : plans) {
    plan.calibration = calibration;  // of this model: the same for all
    TRY(calibrate_for(context, *checkpoint, {}, plan, progress));
    calibration = plan.calibration;
  }
  if (calibration != nullptr)
    report.notes.push_back(
        fmt::format("Static activations were calibrated on {} tokens of {} (XXH3 {}).",
                    calibration->tokens, calibration->text, calibration->text_digest));

  double work = 1;
  const int64_t tokens = windows.count() * windows.context();
  for (const QuantizeOptions& plan : plans) {
    const Work of_plan = work_of(plan, options.calibration, tokens);
    work += of_plan.quantizing + of_plan.measuring;
  }
  Comparison comparison(context, *checkpoint, std::move(windows), std::move(spill), options.speed,
                        options.calibration, output.scratch(), progress, work);
  bool quantized = false;
  report.baseline = TRY(comparison.baseline(quantized));
  if (quantized) {
    report.notes.push_back(
        "The model is quantized already: what is called unquantized here is the checkpoint's own "
        "weights, run with "
        "activations that are not rounded. What its first quantization cost is not part of these "
        "numbers.");
  }
  for (const QuantizeOptions& plan : plans)
    if (const std::string note = batch_note(plan.scheme); !note.empty())
      report.notes.push_back(note);
  for (const QuantizeOptions& plan : plans) report.rows.push_back(comparison.candidate(plan));
  progress.update(work, work, "done");

  const auto failed = [](const CompareRow& row) { return !row.error.empty(); };
  if (std::all_of(report.rows.begin(), report.rows.end(), failed)) {
    return fail({.what = "none of the formats could be measured",
                 .where = report.model,
                 .got = fmt::format("{}: {}", report.rows[0].name(), report.rows[0].error),
                 .wanted = "at least one row without an error",
                 .remedy = "choose other --formats"});
  }
  report.recommendation = recommend(report, options.kl_bound);
  report.recommendation.command = command_for(report, options);
  TRY(output.write(compare_html(report), compare_json(report)));
  return report;
}

}  // namespace farthing
