// Measuring the baseline and the candidates of a comparison.
#include "workflows/compare/comparison.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "quant/method.h"
#include "workflows/baseline_source.h"
#include "workflows/scratch_stages.h"
#include "workflows/stage_progress.h"

namespace farthing {
namespace {

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

}  // namespace

Work work_of(const QuantizeOptions& plan, const CalibrationOptions& calibration, int64_t tokens) {
  const double passes = 3 * static_cast<double>(calibration.samples * calibration.context) /
                        static_cast<double>(tokens);
  return {needs_inputs(plan) ? passes : 0,
          product_input(plan.scheme) == ProductInput::int8_blocks ? 0.5 : 1};
}

Comparison::Comparison(Context& context, Checkpoint& checkpoint, Windows windows,
                       SpilledBaseline spill, SpeedOptions speed, CalibrationOptions calibration,
                       std::filesystem::path scratch, Progress& progress, double work)
    : context_(context),
      checkpoint_(checkpoint),
      windows_(std::move(windows)),
      spill_(std::move(spill)),
      speed_(speed),
      calibration_(std::move(calibration)),
      scratch_(std::move(scratch)),
      progress_(progress),
      work_(work) {}

Result<CompareRow> Comparison::baseline(bool& quantized) {
  CompareRow row;
  row.scheme = "unquantized";
  row.format = "as stored";
  row.activations = activations_name(Activations::f32);
  BaselineSource source(checkpoint_);
  const LogitSink spill = [&](int64_t window, View<const float, 2> logits) {
    return spill_.write(window, logits.rows_from(0, windows_.scored()));
  };
  const ScoredWindows scores = TRY(measure(source, "unquantized", 1, {.sink = spill}, row));
  row.quality = summarize(scores);
  row.bits_per_weight = source.bits_per_weight();
  row.bytes = source.bytes();
  quantized = source.quantized();
  return row;
}

CompareRow Comparison::candidate(const QuantizeOptions& plan) {
  CompareRow row;
  row.scheme = plan.scheme.name();
  row.format = plan.scheme.weights->name;
  row.activations = activations_name(plan.scheme.activations);
  row.method = method_of(plan).name();
  const auto rules = plan.scheme.weights->scale_rules;
  if (!rules.empty()) row.scale_rule = scale_rule_name(plan.scale_rule.value_or(rules.front()));
  if (const auto done = measure_candidate(plan, row); !done) row.error = done.error().text();
  return row;
}

Result<> Comparison::measure_candidate(const QuantizeOptions& plan, CompareRow& row) {
  const Work work = work_of(plan, calibration_, windows_.count() * windows_.context());
  StageProgress quantizing(progress_, done_, work.quantizing, work_, row.name());
  const ScratchStages stages =
      TRY(ScratchStages::run(context_, checkpoint_, plan, calibration_, scratch_, quantizing));
  done_ += work.quantizing;
  BaselineSource base(checkpoint_);
  QuantizingSource source(context_, base, plan, stages.result());
  const ScoredWindows scores =
      TRY(measure(source, row.name(), work.measuring, {.baseline = &spill_}, row));
  row.quality = summarize(scores);
  row.window_kl = kl_of_windows(scores);
  row.bits_per_weight = source.bits_per_weight();
  row.bytes = source.bytes();
  row.quantize_seconds = source.seconds();
  row.layers = source.reports();
  row.fallbacks = fallbacks_of(row.layers);
  return {};
}

Result<ScoredWindows> Comparison::measure(WeightSource& source, const std::string& label,
                                          double work, const EvaluateOptions& options,
                                          CompareRow& row) {
  // Scratch memory of its own: its peak is not one of the models before.
  Workspace workspace;
  Context context{context_.pool, context_.isa, workspace};
  const double begin = done_;
  done_ += work;
  StageProgress loading(progress_, begin, 0.1 * work, work_, label);
  StageProgress scoring(progress_, begin + 0.25 * work, 0.75 * work, work_, label);
  const int64_t before = memory_use().now_bytes;
  reset_peak_memory();
  const auto model = TRY(build_model(context, checkpoint_.config(), source, loading));
  TRY(model->check_kv_cache(speed_.kv_cache));
  progress_.update(begin + 0.1 * work, work_, label + ": timing prompt and decode");
  if (speed_.runs > 0) row.speed = measure_speed(context, *model, speed_);
  row.peak_memory_bytes = memory_use().peak_bytes - before;
  ModelScorer scorer(context, *model, speed_.kv_cache);
  return evaluate(context, scorer, windows_, options, scoring);
}

}  // namespace farthing
