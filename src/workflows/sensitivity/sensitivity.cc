// One part quantized at a time in a model that is loaded once.
#include "workflows/sensitivity/sensitivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "eval/baseline_logits.h"
#include "eval/bootstrap.h"
#include "eval/evaluate.h"
#include "model/checkpoint.h"
#include "workflows/baseline_source.h"
#include "workflows/report_folder.h"
#include "workflows/scratch_stages.h"
#include "workflows/stage_progress.h"

namespace farthing {
namespace {

constexpr std::string_view blocks = "model.layers.";

std::string plain_name(const std::string& name) { return name.substr(0, name.rfind(".weight")); }

// The part that a linear belongs to.
std::string part_of(const std::string& name, SensitivityPart part) {
  const auto number = name.find_first_of("0123456789");
  const auto dot = name.find('.', number);
  if (part == SensitivityPart::linear || number == std::string::npos || dot == std::string::npos)
    return name;
  return part == SensitivityPart::block ? "block " + name.substr(number, dot - number)
                                        : name.substr(dot + 1);
}

std::vector<PartSensitivity> parts_of(const ModelConfig& config, SensitivityPart part) {
  std::vector<PartSensitivity> out;
  std::map<std::string, size_t> places;
  for (const LinearSpec& spec : tensors_of(config).linears) {
    if (spec.keeps_precision) continue;
    const std::string name = plain_name(spec.name);
    const auto [place, is_new] = places.emplace(part_of(name, part), out.size());
    if (is_new) out.push_back({.name = place->first});
    out[place->second].linears.push_back(name);
    out[place->second].weights += spec.n * spec.k;
  }
  return out;
}

// The model, parts of which can be put into a format and back.
class Patched {
 public:
  Patched(Context& context, Checkpoint& checkpoint, Model& model)
      : context_(context), checkpoint_(checkpoint) {
    for (const LinearSpec& spec : tensors_of(checkpoint.config()).linears)
      specs_.emplace(plain_name(spec.name), spec);
    for (const auto& [name, slot] : model.weights().linears) slots_[plain_name(name)] = slot;
  }

  // The bytes that the linears take as the options have them; `stages`: of a method that sees
  // inputs.
  Result<int64_t> put(const std::vector<std::string>& linears, const QuantizeOptions& options,
                      const StagesRun& stages) {
    QuantizingSource source(context_, checkpoint_, options, stages);
    int64_t bytes = 0;
    for (const std::string& name : linears) {
      StoredLinear done = TRY(source.linear(specs_.at(name)));
      bytes += done.weight.bytes();
      LinearWeight* slot = slots_.at(name);
      kept_.emplace_back(slot, std::move(slot->packed));
      const InputRounding input = done.rounding();
      slot->packed = ops::pack_weight(context_, std::move(done.weight), input);
    }
    return bytes;
  }
  void restore() {
    for (auto& [slot, packed] : kept_) slot->packed = std::move(packed);
    kept_.clear();
  }

 private:
  Context& context_;
  Checkpoint& checkpoint_;
  std::map<std::string, LinearSpec> specs_;
  std::map<std::string, LinearWeight*> slots_;
  std::vector<std::pair<LinearWeight*, PackedWeight>> kept_;
};

// Adds what each part costs in each of the schemes.
Result<> measure(Context& context, Checkpoint& checkpoint, const Windows& windows,
                 const SensitivityOptions& options, std::vector<QuantizeOptions> schemes,
                 const ReportFolder& output, SensitivityReport& report, Progress& progress) {
  const ModelConfig& config = checkpoint.config();
  SpilledBaseline spill =
      TRY(SpilledBaseline::create(output.scratch(), windows, config.vocabulary_size));
  // In evaluations of the text; a method that sees inputs reads its own 3 times for each scheme,
  // and without one the ranges of static activations come from a single reading.
  const double calibration_text =
      static_cast<double>(options.calibration.samples * options.calibration.context) /
      static_cast<double>(windows.count() * windows.context());
  const bool sees_inputs = needs_inputs(schemes.front());
  const double reading = sees_inputs ? 3 * calibration_text : 0;
  const bool with_ranges = !sees_inputs && std::ranges::any_of(schemes, has_static_activations);
  const double total = 2 + (with_ranges ? calibration_text : 0) +
                       (static_cast<double>(report.parts.size() + 1) + reading) *
                           static_cast<double>(schemes.size());
  double done = 0;
  BaselineSource source(checkpoint);
  StageProgress loading(progress, done, 1, total, "loading");
  const auto model = TRY(build_model(context, config, source, loading));
  ModelScorer scorer(context, *model);
  NoProgress quiet;
  const LogitSink sink = [&](int64_t window, View<const float, 2> logits) {
    return spill.write(window, logits.rows_from(0, windows.scored()));
  };
  progress.update(done += 1, total, "unquantized");
  TRY(evaluate(context, scorer, windows, {.sink = sink}, quiet));
  done += 1;

  std::vector<ScratchStages> stages;
  CalibrationOptions calibration = options.calibration;
  if (options.text) calibration.text = options.text;
  calibration.scratch = output.scratch();
  std::shared_ptr<const Calibration> ranges;
  for (QuantizeOptions& scheme : schemes) {
    StageProgress calibrating(progress, done, calibration_text, total, "ranges of inputs");
    scheme.calibration = ranges;
    TRY(calibrate_for(context, checkpoint, calibration, scheme, calibrating));
    ranges = scheme.calibration;
  }
  if (with_ranges) done += calibration_text;
  for (const QuantizeOptions& scheme : schemes) {
    StageProgress quantizing(progress, done, reading, total, scheme.scheme.name());
    stages.push_back(TRY(ScratchStages::run(context, checkpoint, scheme, calibration,
                                            output.scratch(), quantizing)));
    done += reading;
  }
  Patched patched(context, checkpoint, *model);
  const auto cost_of = [&](const std::vector<std::string>& linears, size_t at,
                           const std::string& name) -> Result<PartCost> {
    progress.update(done, total, fmt::format("{} in {}", name, schemes[at].scheme.name()));
    done += 1;
    PartCost out;
    out.bytes = TRY(patched.put(linears, schemes[at], stages[at].result()));
    const auto scores = evaluate(context, scorer, windows, {.baseline = &spill}, quiet);
    patched.restore();
    if (!scores) return fail(scores.error());
    double sum = 0;
    for (const TokenScore& token : scores->tokens) sum += token.kl;
    out.kl = sum / static_cast<double>(scores->tokens.size());
    return out;
  };
  std::vector<std::string> all;
  for (PartSensitivity& part : report.parts) {
    for (size_t at = 0; at < schemes.size(); ++at)
      part.costs.push_back(TRY(cost_of(part.linears, at, part.name)));
    all.insert(all.end(), part.linears.begin(), part.linears.end());
  }
  for (size_t at = 0; at < schemes.size(); ++at)
    report.together.push_back(TRY(cost_of(all, at, "all")).kl);
  progress.update(total, total, "done");
  return {};
}

}  // namespace

std::optional<SensitivityPart> find_part(std::string_view name) {
  for (const auto part : {SensitivityPart::linear, SensitivityPart::block, SensitivityPart::kind})
    if (part_name(part) == name) return part;
  return std::nullopt;
}

Result<SensitivityReport> sensitivity(Context& context, const SensitivityOptions& options,
                                      Progress& progress) {
  const AlgorithmInfo* method = options.method ? options.method : find_algorithm("rtn");
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const ModelConfig& config = checkpoint->config();
  const EvaluationText text =
      options.text ? TRY(load_text(options.text)) : built_in_calibration_text();
  WindowOptions cut = options.windows;
  cut.context = std::min(cut.context, config.max_positions);
  const Windows windows =
      TRY(Windows::of_text(TRY(checkpoint->tokenizer()), text, cut, config.vocabulary_size));
  const ReportFolder output = TRY(ReportFolder::prepare(options.output));
  SensitivityReport report{.model = options.model.string(),
                           .protocol = measuring_protocol(windows, text),
                           .place = measuring_place(context),
                           .method = std::string(method->name),
                           .outlier_threshold = options.outlier_threshold,
                           .part = options.part,
                           .formats = {},
                           .parts = parts_of(config, options.part),
                           .together = {}};
  for (const std::filesystem::path& file : options.earlier) TRY(join_earlier(file, report));
  std::vector<QuantizeOptions> schemes;
  for (const std::string& text : options.formats) {
    const Scheme scheme = TRY(parse_scheme(text));
    if (std::count(report.formats.begin(), report.formats.end(), text) != 0) continue;
    report.formats.push_back(text);
    schemes.push_back({.scheme = scheme, .method = method});
    schemes.back().range.outlier_threshold = options.outlier_threshold;
  }
  if (!schemes.empty())
    TRY(measure(context, *checkpoint, windows, options, std::move(schemes), output, report,
                progress));
  if (options.target_bits) TRY(spend_budget(report, *options.target_bits));
  TRY(output.write(sensitivity_html(report), sensitivity_json(report)));
  if (options.output && !report.recipe.empty())
    TRY(write_text_file(*options.output / "recipe.toml", report.recipe));
  return report;
}

}  // namespace farthing
