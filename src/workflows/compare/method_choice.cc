// Trials of methods on windows that were held back.
#include "workflows/compare/method_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "quant/rescaling/rescaling_method.h"
#include "workflows/compare/comparison.h"

namespace farthing {
namespace {

constexpr int64_t most_held_back = 16;  // windows

// The calibration's text in two parts.
struct HeldBack {
  CalibrationOptions fitted;  // the first windows
  Windows judged;             // the last ones
  std::string name;           // of the text
};

Result<HeldBack> hold_back(const Checkpoint& checkpoint, const CalibrationOptions& calibration,
                           const std::string& judged) {
  CalibrationOptions both = calibration;
  both.samples += most_held_back;
  const auto [text, all] = TRY(calibration_windows(checkpoint, both));
  if (text.digest == judged) {
    return fail({.what = "methods cannot be chosen by the text that they are judged on",
                 .where = "--calibration",
                 .got = fmt::format("{}, which is --text too", text.name),
                 .wanted = "two texts",
                 .remedy = "give another --calibration, or leave it away for the built-in one"});
  }
  const int64_t length = all.context();
  if (all.count() < 2) {
    return fail({.what = "the text for the calibration is too short to hold a part of it back",
                 .where = text.name,
                 .got = fmt::format("one window of {} tokens", length),
                 .wanted = "at least two",
                 .remedy = "use a longer text, or a smaller --max-seq-length"});
  }
  // A quarter of a text that is too short for both.
  const bool enough = all.count() >= calibration.samples + most_held_back;
  const int64_t held =
      enough ? most_held_back : std::clamp<int64_t>(all.count() / 4, 1, most_held_back);
  HeldBack out{calibration, all, text.name};
  out.fitted.samples = std::min(calibration.samples, all.count() - held);
  std::vector<int32_t> tokens;
  for (int64_t w = out.fitted.samples; w < out.fitted.samples + held; ++w)
    tokens.insert(tokens.end(), all[w].begin(), all[w].end());
  out.judged =
      TRY(Windows::cut(std::move(tokens), {.tokens = held * length, .context = length}, text.name));
  return out;
}

// Of one plan by every method that suits its scheme.
std::vector<QuantizeOptions> trials_of(const QuantizeOptions& plan) {
  std::vector<QuantizeOptions> out;
  for (const Method& method : methods_for(plan.scheme)) {
    out.push_back(plan);
    method.apply(out.back());
  }
  return out;
}

}  // namespace

std::vector<Method> methods_for(const Scheme& scheme) {
  const auto suits = [&](const AlgorithmInfo& algorithm) {
    return algorithm.suits == nullptr || algorithm.suits(*scheme.weights);
  };
  std::vector<Method> out;
  for (const AlgorithmInfo& algorithm : all_algorithms())
    if (suits(algorithm)) out.push_back({&algorithm, nullptr});
  const bool rounded = scheme.activations != Activations::f32;
  const AlgorithmInfo& gptq = *find_algorithm("gptq");
  for (const RescalingInfo& rescaling : all_rescalings()) {
    if (rescaling.for_activations && !rounded) continue;
    out.push_back({find_algorithm(rescaling.algorithm), &rescaling});
    if (suits(gptq)) out.push_back({&gptq, &rescaling});
  }
  return out;
}

Result<std::vector<MethodChoice>> choose_methods(Context& context, Checkpoint& checkpoint,
                                                 std::span<const QuantizeOptions> plans,
                                                 const CalibrationOptions& calibration,
                                                 const std::string& judged,
                                                 const std::filesystem::path& scratch,
                                                 Progress& progress) {
  HeldBack text = TRY(hold_back(checkpoint, calibration, judged));
  text.fitted.scratch = scratch;
  const int64_t tokens = text.judged.count() * text.judged.context();
  std::vector<std::vector<QuantizeOptions>> trials;
  double work = 1;
  for (const QuantizeOptions& plan : plans) {
    trials.push_back(trials_of(plan));
    for (QuantizeOptions& trial : trials.back()) {
      TRY(calibrate_for(context, checkpoint, text.fitted, trial, progress));
      const Work of_trial = work_of(trial, text.fitted, tokens);
      work += of_trial.quantizing + of_trial.measuring;
    }
  }
  SpilledBaseline spill =
      TRY(SpilledBaseline::create(scratch, text.judged, checkpoint.config().vocabulary_size));
  Comparison comparison(context, checkpoint, text.judged, std::move(spill), {.runs = 0},
                        text.fitted, scratch, progress, work);
  bool quantized = false;
  TRY(comparison.baseline(quantized));
  std::vector<MethodChoice> out;
  for (const std::vector<QuantizeOptions>& of_plan : trials) {
    MethodChoice choice;
    choice.protocol =
        fmt::format("{} windows of {} tokens of {}, behind the {} that they saw",
                    text.judged.count(), text.judged.context(), text.name, text.fitted.samples);
    double least = 0;
    std::string error;
    for (const QuantizeOptions& trial : of_plan) {
      const CompareRow row = comparison.candidate(trial);
      choice.trials.push_back({row.method, row.quality.kl_mean, row.error});
      if (!row.error.empty()) {
        error = row.error;
        continue;
      }
      if (choice.method.algorithm != nullptr && row.quality.kl_mean.value >= least) continue;
      choice.method = method_of(trial);
      least = row.quality.kl_mean.value;
    }
    if (choice.method.algorithm == nullptr) {
      return fail({.what = "no method works with a scheme",
                   .where = of_plan.front().scheme.name(),
                   .got = error,
                   .wanted = "one of " + method_names(),
                   .remedy = "leave the scheme away"});
    }
    out.push_back(std::move(choice));
  }
  return out;
}

}  // namespace farthing
