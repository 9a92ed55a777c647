// Writing a quantized model as a directory: one linear in memory at a time.
#include "base/json_writer.h"
#include "base/leftovers.h"
#include "eval/calibration/kv_calibration.h"
#include "model/checkpoint_writer.h"
#include "quant/method.h"
#include "quant/quantize.h"
#include "quant/rotation/rotated_checkpoint.h"
#include "quant/stages/earlier.h"
#include "quant/stages/layer_report_json.h"
#include "quant/stages/quantize_stages.h"
#include "quant/stages/work_identity.h"

namespace farthing {
namespace {

void write_calibration(JsonWriter& json, const std::string& text, const std::string& digest,
                       int64_t tokens) {
  json.key("calibration").begin_object().field("text", text).field("text_digest", digest);
  json.field("tokens", tokens).end_object();
}

// The folder that the output will lie in, or the nearest around it that is there already.
std::filesystem::path folder_around(const std::filesystem::path& output) {
  std::filesystem::path out = std::filesystem::absolute(output).lexically_normal();
  std::error_code ignored;
  do out = out.parent_path();
  while (!std::filesystem::is_directory(out, ignored) && out != out.root_path());
  return out;
}

struct KvCalibration {
  std::string text, text_digest;  // as in EvaluationText
  int64_t tokens = 0;             // that were read
  KvScales scales;
};

std::string manifest(const QuantizeOptions& options, const StagesRun& stages,
                     const KvCalibration* kv, const std::vector<LayerReport>& reports) {
  JsonWriter json(true);
  json.begin_object()
      .field("written_by", "farthing quantize")
      .field("method", method_of(options).name());
  if (const Rotation& rotation = options.rotation; rotation.any())
    json.field("rotation", rotation.name()).field("rotation_seed", rotation.seed);
  if (needs_inputs(options)) {
    write_calibration(json, stages.text, stages.text_digest, stages.tokens);
  } else if (const Calibration* c = options.calibration.get()) {
    write_calibration(json, c->text, c->text_digest, c->tokens);
  }
  if (kv != nullptr) {
    const RangeOptions& range = options.kv_cache_range;
    json.key("kv_cache").begin_object().field("range", range_method_name(range.method));
    if (range.method == RangeMethod::percentile) json.field("percentile", range.percentile);
    write_calibration(json, kv->text, kv->text_digest, kv->tokens);
    json.end_object();
  }
  if (has_outlier_columns(options))
    json.field("outlier_threshold", options.range.outlier_threshold);
  json.key("layers").begin_array();
  for (const LayerReport& report : reports) {
    json.begin_object();
    write_report(json, report);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

// With the model as it will be stored. In `work`, where stages leave theirs: `resume` goes on with
// what is there.
Result<KvCalibration> calibrate_kv(Context& context, const Checkpoint& from, WeightSource& weights,
                                   const QuantizeOptions& options, const StagesRun& stages,
                                   const CalibrationOptions& calibration,
                                   const std::filesystem::path& work, bool resume,
                                   Progress& progress) {
  const CalibrationWindows read = TRY(calibration_windows(from, calibration));
  TRY(WorkFolder::open(work, work_identity(from, options, read), resume));
  QuantizingSource source(context, weights, options, stages);
  KvScales scales = TRY(calibrate_kv_cache(context, from.config(), source, read.windows,
                                           options.kv_cache_range, work, progress));
  return KvCalibration{.text = read.text.name,
                       .text_digest = read.text.digest,
                       .tokens = read.windows.count() * read.windows.context(),
                       .scales = std::move(scales)};
}

}  // namespace

Result<std::vector<LayerReport>> quantize_checkpoint(Context& context, Checkpoint& unrotated,
                                                     const QuantizeOptions& wanted,
                                                     const std::filesystem::path& to,
                                                     Progress& progress, const StagesOptions& how) {
  QuantizeOptions options = wanted;
  options.only = how.redo;
  TRY(check_options(options));
  std::unique_ptr<Checkpoint> rotated;
  if (options.rotation.any()) rotated = TRY(rotated_checkpoint(unrotated, options.rotation));
  Checkpoint& from = rotated ? *rotated : unrotated;
  TRY(check_rules(options, from.config()));
  std::unique_ptr<EarlierQuantization> earlier;
  if (!how.redo.empty()) earlier = TRY(EarlierQuantization::open(from, to, options));
  WeightSource& weights = earlier ? static_cast<WeightSource&>(*earlier) : from;
  const bool changes_channels = options.rescaling != nullptr || rotated != nullptr;
  if (changes_channels && !earlier && !options.kv_cache &&
      TRY(unrotated.kv_cache()).scales != nullptr)
    return fail(scales_of_other_channels());
  CalibrationOptions ranges = how.calibration;
  ranges.scratch = folder_around(to);
  TRY(calibrate_for(context, from, ranges, options, progress));
  std::filesystem::path work = to;
  work += ".work";
  StagesRun stages;
  if (needs_inputs(options))
    stages = TRY(quantize_stages(context, from, weights, options, how.calibration, work, how.resume,
                                 progress));
  std::optional<KvCalibration> kv;
  if (needs_kv_scales(options)) {
    kv = TRY(calibrate_kv(context, from, weights, options, stages, how.calibration, work,
                          how.resume || needs_inputs(options), progress));
    options.kv_scales = std::make_shared<KvScales>(kv->scales);
  }
  QuantizingSource source(context, weights, options, stages);
  RescaledSource kept(weights, stages.factors);
  const auto reports = [&] {
    return earlier ? earlier->joined(source.reports()) : source.reports();
  };
  const CheckpointWriting writing{
      .from = from,
      .source = source,
      .method = earlier ? earlier->method() : method_of(options).name(),
      .scheme = earlier ? earlier->scheme() : options.scheme,
      .scale_rule = earlier ? earlier->scale_rule() : options.scale_rule,
      .linear_of = [&](const LinearSpec& spec, bool is_table) -> Result<CheckpointWriting::Linear> {
        const auto choice = choice_for(options, spec, is_table);
        const auto staged = stages.linears.find(spec.name);
        if (!choice || staged != stages.linears.end()) {
          // done, or stays as it is, or is rescaled
          const StoredLinear stored = staged != stages.linears.end() ? staged->second.stored
                                      : is_table                     ? TRY(kept.table(spec))
                                                                     : TRY(kept.linear(spec));
          return CheckpointWriting::Linear{{stored.weight.format, stored.activations},
                                           stored.input.outliers.count()};
        }
        const Scheme scheme = scheme_that_holds(
            is_table ? source.scheme_for_table(spec, choice->scheme) : choice->scheme, spec.k);
        const StaticInput input = TRY(input_parameters(spec, scheme, options, nullptr));
        return CheckpointWriting::Linear{scheme, input.outliers.count()};
      },
      .manifest = [&] { return manifest(options, stages, kv ? &*kv : nullptr, reports()); }};
  TRY(write_checkpoint(writing, to, progress));
  if (needs_inputs(options) || kv) remove_folder(work);
  return reports();
}

}  // namespace farthing
