// The comparison: baseline first, then each scheme by each method.
#include "workflows/compare/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "model/checkpoint.h"
#include "quant/method.h"
#include "workflows/compare/compare_plans.h"
#include "workflows/compare/comparison.h"
#include "workflows/report_folder.h"

namespace farthing {
namespace fs = std::filesystem;

namespace {

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
  const auto activations = find_activations(row->activations);
  if (activations && has_outliers(*activations) &&
      options.outlier_threshold != CompareOptions().outlier_threshold)
    out += fmt::format(" --outlier-threshold {}", options.outlier_threshold);
  if (options.tables) out += " --tables " + quoted(*options.tables);
  return out + " -o " + folder;
}

}  // namespace

std::string CompareRow::name() const {
  return method.empty() || method == "rtn" ? scheme : fmt::format("{} ({})", scheme, method);
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

  TRY(choose_open_methods(context, *checkpoint, plans, options, text.digest, output.scratch(),
                          progress, report.notes));
  std::shared_ptr<const Calibration> calibration;
  for (ComparePlan& plan : plans) {
    plan.quantize.calibration = calibration;  // of this model: the same for all
    TRY(calibrate_for(context, *checkpoint, {.scratch = output.scratch()}, plan.quantize,
                      progress));
    calibration = plan.quantize.calibration;
  }
  if (calibration != nullptr)
    report.notes.push_back(
        fmt::format("Static activations were calibrated on {} tokens of {} (XXH3 {}).",
                    calibration->tokens, calibration->text, calibration->text_digest));

  const KvCodec kv_cache = options.speed.kv_cache.value_or(TRY(checkpoint->kv_cache()).codec);
  if (kv_cache != KvCodec::f32)
    report.notes.push_back(
        fmt::format("Keys and values are cached as {}, the unquantized model's too.",
                    kv_codec_info(kv_cache).name));

  double work = 1;
  const int64_t tokens = windows.count() * windows.context();
  for (const ComparePlan& plan : plans) {
    const Work of_plan = work_of(plan.quantize, options.calibration, tokens);
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
  for (const ComparePlan& plan : plans)
    if (const std::string note = batch_note(plan.quantize.scheme); !note.empty())
      report.notes.push_back(note);
  for (ComparePlan& plan : plans) {
    report.rows.push_back(comparison.candidate(plan.quantize));
    report.rows.back().trials = std::move(plan.trials);
  }
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
