// One part quantized at a time in a model that is loaded once.
#include "workflows/sensitivity.h"

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

std::string recipe_of(const SensitivityReport& report) {
  std::vector<int64_t> weights(report.formats.size());
  for (const PartSensitivity& part : report.parts) weights[part.chosen] += part.weights;
  const auto most =
      static_cast<size_t>(std::max_element(weights.begin(), weights.end()) - weights.begin());
  std::string out = fmt::format(
      "# {:.3f} bits a weight. Each part's format by what quantizing it alone costs (KL, nats):\n"
      "# farthing sensitivity by {} on {} tokens of {}\n[quantization]\nscheme = \"{}\"\nmethod = "
      "\"{}\"\n",
      *report.chosen_bits, report.method, report.protocol.tokens(), report.protocol.text,
      report.formats[most], report.method == "rtn" ? "gptq" : report.method);
  for (const PartSensitivity& part : report.parts) {
    if (part.chosen == most) continue;
    for (const std::string& linear : part.linears)
      out += fmt::format("\n[[rule]]\nlayers = \"{}\"\nscheme = \"{}\"\n", linear,
                         report.formats[part.chosen]);
  }
  return out;
}

Result<> spend(SensitivityReport& report, double bits) {
  int64_t weights = 0;
  for (const PartSensitivity& part : report.parts) weights += part.weights;
  const double bytes = bits * static_cast<double>(weights) / 8;
  if (!allocate(report.parts, static_cast<int64_t>(bytes))) {
    return fail({.what = "the budget is below the cheapest of the formats",
                 .where = "--target-bits",
                 .got = fmt::format("{} bits a weight", bits),
                 .wanted = "at least what the smallest of --formats takes",
                 .remedy = "name a smaller format, such as int3_g64"});
  }
  double taken = 0, kl = 0;
  for (const PartSensitivity& part : report.parts) {
    taken += static_cast<double>(part.costs[part.chosen].bytes);
    kl += part.costs[part.chosen].kl;
  }
  report.chosen_bits = 8 * taken / static_cast<double>(weights);
  report.chosen_kl = kl;
  report.recipe = recipe_of(report);
  return {};
}

}  // namespace

std::optional<SensitivityPart> find_part(std::string_view name) {
  for (const auto part : {SensitivityPart::linear, SensitivityPart::block, SensitivityPart::kind})
    if (part_name(part) == name) return part;
  return std::nullopt;
}

bool allocate(std::vector<PartSensitivity>& parts, int64_t bytes) {
  int64_t taken = 0;
  for (PartSensitivity& part : parts) {
    part.chosen = 0;
    for (size_t j = 1; j < part.costs.size(); ++j) {
      const PartCost &best = part.costs[part.chosen], &other = part.costs[j];
      if (other.bytes < best.bytes || (other.bytes == best.bytes && other.kl < best.kl))
        part.chosen = j;
    }
    taken += part.costs[part.chosen].bytes;
  }
  if (taken > bytes) return false;
  for (;;) {
    PartSensitivity* best = nullptr;
    size_t to = 0;
    double most = 0;
    for (PartSensitivity& part : parts) {
      const PartCost& now = part.costs[part.chosen];
      for (size_t j = 0; j < part.costs.size(); ++j) {
        const int64_t more = part.costs[j].bytes - now.bytes;
        const double saved = now.kl - part.costs[j].kl;
        if (more <= 0 || saved <= 0 || taken + more > bytes) continue;
        const double rate = saved / static_cast<double>(more);
        if (rate <= most) continue;
        most = rate;
        best = &part;
        to = j;
      }
    }
    if (best == nullptr) return true;
    taken += best->costs[to].bytes - best->costs[best->chosen].bytes;
    best->chosen = to;
  }
}

Result<SensitivityReport> sensitivity(Context& context, const SensitivityOptions& options,
                                      Progress& progress) {
  std::vector<QuantizeOptions> schemes;
  for (const std::string& text : options.formats) {
    schemes.push_back({.scheme = TRY(parse_scheme(text)),
                       .method = options.method ? options.method : find_algorithm("rtn")});
  }
  const auto checkpoint = TRY(Checkpoint::open(options.model));
  const ModelConfig& config = checkpoint->config();
  const EvaluationText text =
      options.text ? TRY(load_text(options.text)) : built_in_calibration_text();
  WindowOptions cut = options.windows;
  cut.context = std::min(cut.context, config.max_positions);
  const Windows windows =
      TRY(Windows::of_text(TRY(checkpoint->tokenizer()), text, cut, config.vocabulary_size));
  const ReportFolder output = TRY(ReportFolder::prepare(options.output));
  SpilledBaseline spill =
      TRY(SpilledBaseline::create(output.scratch(), windows, config.vocabulary_size));

  SensitivityReport report{.model = options.model.string(),
                           .protocol = measuring_protocol(windows, text),
                           .place = measuring_place(context),
                           .method = std::string(schemes.front().method->name),
                           .part = options.part,
                           .formats = options.formats,
                           .parts = parts_of(config, options.part),
                           .together = {}};
  // In evaluations of the text; a method that sees inputs reads its own 3 times for each scheme.
  const double reading =
      needs_inputs(schemes.front())
          ? 3 * static_cast<double>(options.calibration.samples * options.calibration.context) /
                static_cast<double>(windows.count() * windows.context())
          : 0;
  const double total = 2 + (static_cast<double>(report.parts.size() + 1) + reading) *
                               static_cast<double>(schemes.size());
  double done = 0;
  BaselineSource source(*checkpoint);
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
  for (const QuantizeOptions& scheme : schemes) {
    StageProgress quantizing(progress, done, reading, total, scheme.scheme.name());
    stages.push_back(TRY(ScratchStages::run(context, *checkpoint, scheme, calibration,
                                            output.scratch(), quantizing)));
    done += reading;
  }
  Patched patched(context, *checkpoint, *model);
  const auto measure = [&](const std::vector<std::string>& linears, size_t at,
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
      part.costs.push_back(TRY(measure(part.linears, at, part.name)));
    all.insert(all.end(), part.linears.begin(), part.linears.end());
  }
  for (size_t at = 0; at < schemes.size(); ++at)
    report.together.push_back(TRY(measure(all, at, "all")).kl);
  progress.update(total, total, "done");
  if (options.target_bits) TRY(spend(report, *options.target_bits));
  TRY(output.write(sensitivity_html(report), sensitivity_json(report)));
  if (options.output && !report.recipe.empty())
    TRY(write_text_file(*options.output / "recipe.toml", report.recipe));
  return report;
}

}  // namespace farthing
