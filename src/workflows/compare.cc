// The comparison: baseline first, then each scheme by each method.
#include "workflows/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <memory>

#include "base/cpu.h"
#include "eval/evaluate.h"
#include "model/checkpoint.h"
#include "quant/quantize.h"
#include "workflows/baseline_source.h"
#include "workflows/report/folder.h"
#include "workflows/stage_progress.h"

namespace farthing {
namespace fs = std::filesystem;

namespace {

// What to quantize to, checked before anything runs.
Result<std::vector<QuantizeOptions>> plan_rows(const CompareOptions& options) {
  std::vector<QuantizeOptions> out;
  std::optional<Scheme> tables;
  if (options.tables) tables = TRY(parse_scheme(*options.tables));
  for (const std::string& text : options.formats.empty() ? default_schemes() : options.formats) {
    const Scheme scheme = TRY(parse_scheme(text));
    for (const std::string& name : options.methods) {
      const AlgorithmInfo* method = find_algorithm(name);
      if (method == nullptr) {
        return fail({.what = "unknown method",
                     .where = "--methods",
                     .got = name,
                     .wanted = "one of " + algorithm_names(),
                     .remedy = "leave --methods away for rtn"});
      }
      QuantizeOptions row{
          .scheme = scheme, .method = method, .scale_rule = options.scale_rule, .tables = tables};
      // Formats without a scale (f16) may stand among those that the rule is for.
      if (scheme.weights->scale_rules.empty()) row.scale_rule.reset();
      TRY(check_options(row));
      const bool twice = std::any_of(out.begin(), out.end(), [&](const QuantizeOptions& other) {
        return other.scheme == row.scheme && other.method == row.method;
      });
      if (!twice) out.push_back(std::move(row));
    }
  }
  if (out.empty()) {
    return fail({.what = "nothing to compare",
                 .where = "--methods",
                 .got = "no method",
                 .wanted = "one of " + algorithm_names(),
                 .remedy = "leave --methods away for rtn"});
  }
  return out;
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &utc);
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

MeasuringProtocol describe(const Windows& windows, const EvaluationText& text) {
  return {.context = windows.context(),
          .windows = windows.count(),
          .scored = windows.scored(),
          .summary = windows.protocol(),
          .text = text.name,
          .text_digest = text.digest};
}

std::vector<std::string> fallbacks_of(const std::vector<LayerReport>& layers) {
  std::map<std::pair<std::string, std::string>, std::vector<std::string>>
      names;  // by format and reason
  for (const LayerReport& layer : layers)
    if (!layer.fallback.empty()) names[{layer.format, layer.fallback}].push_back(layer.name);
  std::vector<std::string> out;
  for (const auto& [why, linears] : names) {
    const std::string more =
        linears.size() == 1 ? "" : fmt::format(" and {} more", linears.size() - 1);
    out.push_back(
        fmt::format("{}{} stored as {}: {}", linears.front(), more, why.first, why.second));
  }
  return out;
}

// Everything that the rows of one comparison share.
class Comparison {
 public:
  Comparison(Context& context, const CompareOptions& options, Checkpoint& checkpoint,
             Windows windows, SpilledBaseline spill, Progress& progress, double stages)
      : context_(context),
        options_(options),
        checkpoint_(checkpoint),
        windows_(std::move(windows)),
        spill_(std::move(spill)),
        progress_(progress),
        stages_(stages) {}

  // The baseline's row; `quantized` says whether the checkpoint is quantized already.
  Result<CompareRow> baseline(bool& quantized) {
    CompareRow row;
    row.scheme = "unquantized";
    row.format = "as stored";
    row.activations = activations_name(Activations::f32);
    BaselineSource source(checkpoint_);
    const ScoredWindows scores = TRY(measure(
        source, "unquantized", 1, nullptr,
        [&](int64_t window, View<const float, 2> logits) {
          return spill_.write(window, logits.rows_from(0, windows_.scored()));
        },
        row));
    row.quality = summarize(scores);
    row.bits_per_weight = source.bits_per_weight();
    row.bytes = source.bytes();
    quantized = source.quantized();
    return row;
  }

  // Leaves the error in the row where the scheme fails.
  CompareRow candidate(const QuantizeOptions& plan, double weight) {
    CompareRow row;
    row.scheme = plan.scheme.name();
    row.format = plan.scheme.weights->name;
    row.activations = activations_name(plan.scheme.activations);
    row.method = plan.method->name;
    const auto rules = plan.scheme.weights->scale_rules;
    if (!rules.empty()) row.scale_rule = scale_rule_name(plan.scale_rule.value_or(rules.front()));
    BaselineSource base(checkpoint_);
    QuantizingSource source(context_, base, plan);
    const auto scores = measure(source, row.name(), weight, &spill_, {}, row);
    if (!scores) {
      row.error = scores.error().text();
      return row;
    }
    row.quality = summarize(*scores);
    row.window_kl = kl_of_windows(*scores);
    row.bits_per_weight = source.bits_per_weight();
    row.bytes = source.bytes();
    row.quantize_seconds = source.seconds();
    row.layers = source.reports();
    row.fallbacks = fallbacks_of(row.layers);
    return row;
  }

 private:
  // Loads, times and scores a model; memory and speed go into the row.
  Result<ScoredWindows> measure(WeightSource& source, const std::string& label, double weight,
                                BaselineLogits* baseline, LogitSink sink, CompareRow& row) {
    // Scratch memory of its own: its peak is not one of the models before.
    Workspace workspace;
    Context context{context_.pool, context_.isa, workspace};
    const double begin = begin_;
    begin_ += weight;
    StageProgress loading(progress_, begin, 0.1 * weight, stages_, label);
    StageProgress scoring(progress_, begin + 0.25 * weight, 0.75 * weight, stages_, label);
    const int64_t before = memory_use().now_bytes;
    reset_peak_memory();
    const auto model = TRY(build_model(context, checkpoint_.config(), source, loading));
    progress_.update(begin + 0.1 * weight, stages_, label + ": timing prompt and decode");
    row.speed = measure_speed(context, *model, options_.speed);
    row.peak_memory_bytes = memory_use().peak_bytes - before;
    ModelScorer scorer(context, *model);
    return evaluate(context, scorer, windows_, {.baseline = baseline, .sink = std::move(sink)},
                    scoring);
  }

  Context& context_;
  const CompareOptions& options_;
  Checkpoint& checkpoint_;
  Windows windows_;
  SpilledBaseline spill_;
  Progress& progress_;
  double stages_, begin_ = 0;
};

// Relative to a row with f32 activations; measured on two machines, 0.4 to 0.6.
double work_of(const Scheme& scheme) { return scheme.activations == Activations::f32 ? 1 : 0.5; }

}  // namespace

std::string CompareRow::name() const {
  return method.empty() || method == "rtn" ? scheme : fmt::format("{} ({})", scheme, method);
}

std::vector<std::string> default_schemes() {
  std::vector<std::string> out;
  for (const Format& format : all_formats()) {
    if (format.name == "f32" || format.name == "q4_1") continue;
    out.emplace_back(format.name);
    if (format.grid && format.default_activations == Activations::f32)
      out.push_back(std::string(format.name) + "@int8_block32");
  }
  return out;
}

Result<CompareReport> compare(Context& context, const CompareOptions& options, Progress& progress) {
  const auto plans = TRY(plan_rows(options));
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const EvaluationText text = TRY(load_text(options.text));
  Windows windows = TRY(windows_for(*checkpoint, text, options.windows));
  ReportFolder output = TRY(ReportFolder::prepare(options.output));
  SpilledBaseline spill =
      TRY(SpilledBaseline::create(output.scratch(), windows, checkpoint->config().vocabulary_size));

  CompareReport report;
  report.model = options.model.string();
  report.protocol = describe(windows, text);
  report.place = {.program = "farthing " FARTHING_VERSION,
                  .date = date_now(),
                  .cpu = cpu_model(),
                  .isa = std::string(isa_name(context.isa)),
                  .threads = context.pool.size()};
  report.notes = options.notes;
  if (const auto note = offgrid_note(options.model)) report.notes.push_back(*note);

  double stages = 1;
  for (const QuantizeOptions& plan : plans) stages += work_of(plan.scheme);
  Comparison comparison(context, options, *checkpoint, std::move(windows), std::move(spill),
                        progress, stages);
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
    report.rows.push_back(comparison.candidate(plan, work_of(plan.scheme)));
  progress.update(stages, stages, "done");

  const auto failed = [](const CompareRow& row) { return !row.error.empty(); };
  if (std::all_of(report.rows.begin(), report.rows.end(), failed)) {
    return fail({.what = "none of the formats could be measured",
                 .where = report.model,
                 .got = fmt::format("{}: {}", report.rows[0].name(), report.rows[0].error),
                 .wanted = "at least one row without an error",
                 .remedy = "choose other --formats"});
  }
  report.recommendation = recommend(report, options.kl_bound);
  TRY(output.write(report));
  return report;
}

}  // namespace farthing
