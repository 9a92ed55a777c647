// The extremes of every linear's input, seen by a probe while windows of text run.
#include "eval/calibration/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace farthing {
namespace {

// The checkpoint without rounded activations.
class UnroundedSource : public WeightSource {
 public:
  explicit UnroundedSource(WeightSource& base) : base_(base) {}
  Result<StoredLinear> linear(const LinearSpec& spec) override {
    return unrounded(TRY(base_.linear(spec)));
  }
  Result<StoredLinear> table(const LinearSpec& spec) override {
    return unrounded(TRY(base_.table(spec)));
  }
  Result<Tensor> vector(const VectorSpec& spec) override { return base_.vector(spec); }

 private:
  static StoredLinear unrounded(StoredLinear linear) {
    linear.activations = Activations::f32;
    linear.input = {};
    return linear;
  }
  WeightSource& base_;
};

class InputProbe : public Probe {
 public:
  InputProbe(Model& model, std::map<std::string, SeenInput>& inputs, bool with_histograms)
      : with_histograms_(with_histograms) {
    for (const auto& [name, slot] : model.weights().linears) seen_[slot] = &inputs[name];
  }
  void see(const OperatorOutput& output) override {
    if (output.kind != OperatorKind::linear) return;
    if (!few_.empty() && !few_.contains(output.weight)) return;
    rows_[output.weight] += output.input.rows;
    SeenInput& seen = *seen_.at(output.weight);
    seen.add(output.input, with_histograms_);
    seen.add_columns(output.input);
  }
  bool sends_every_row(std::span<const LinearWeight* const> expert) override {
    return std::any_of(expert.begin(), expert.end(),
                       [&](const LinearWeight* weight) { return few_.contains(weight); });
  }
  // Whether there are experts that fewer tokens reached than their input has elements; from now on
  // these count alone, and are sent every token.
  bool begin_again_with_few(int64_t tokens) {
    for (const auto& [weight, seen] : seen_)
      if (reached_by_few(rows_[weight], static_cast<const LinearWeight*>(weight)->packed.k(),
                         tokens))
        few_.insert(weight);
    for (const void* weight : few_) *seen_.at(weight) = {};
    return !few_.empty();
  }

 private:
  std::map<const void*, SeenInput*> seen_;
  std::map<const void*, int64_t> rows_;
  std::set<const void*> few_;  // empty: all count
  bool with_histograms_;
};

}  // namespace

Result<StaticInput> Calibration::input_of(const std::string& linear,
                                          Activations activations) const {
  const auto found = inputs.find(linear);
  if (found != inputs.end())
    return chosen_input(found->second, found->second.largest, activations, range);
  return fail({.what = "the calibration has not seen a linear's input",
               .where = linear,
               .got = "no such linear",
               .wanted = "a calibration of this model",
               .remedy = "calibrate with the model that is quantized"});
}

Result<CalibrationWindows> calibration_windows(const Checkpoint& from,
                                               const CalibrationOptions& options) {
  EvaluationText text = options.text ? TRY(load_text(options.text)) : built_in_calibration_text();
  const ModelConfig& config = from.config();
  const int64_t length = std::min(options.context, config.max_positions);
  Windows windows = TRY(Windows::of_text(TRY(from.tokenizer()), text,
                                         {.tokens = options.samples * length, .context = length},
                                         config.vocabulary_size));
  return CalibrationWindows{{{}, std::move(text.name), std::move(text.digest)}, std::move(windows)};
}

Result<std::shared_ptr<const Calibration>> calibrate(Context& context, Checkpoint& from,
                                                     const CalibrationOptions& options,
                                                     Progress& progress) {
  const auto [text, windows] = TRY(calibration_windows(from, options));
  const ModelConfig& config = from.config();
  const int64_t length = windows.context();
  auto out = std::make_shared<Calibration>();
  out->text = text.name;
  out->text_digest = text.digest;
  out->range = options.range;
  out->tokens = windows.count() * length;

  Workspace workspace;  // given back at the end
  Context own{context.pool, context.isa, workspace};
  UnroundedSource source(from);
  NoProgress quiet;
  const auto model = TRY(build_model(own, config, source, quiet));
  InputProbe probe(*model, out->inputs, options.range.method != RangeMethod::absmax);
  const ProbeGuard guard(own, probe);
  Tensor logits(DType::f32, {length, config.vocabulary_size});
  const auto read_text = [&](const char* what) {
    for (int64_t i = 0; i < windows.count(); ++i) {
      progress.update(static_cast<double>(i), static_cast<double>(windows.count()),
                      fmt::format("{}, window {} of {}", what, i + 1, windows.count()));
      Sequence sequence = model->new_sequence(length, KvCodec::f32);
      model->forward(own, sequence, windows[i], logits.view<float>());
    }
  };
  read_text("calibrating");
  if (probe.begin_again_with_few(out->tokens)) read_text("calibrating experts of few tokens");
  for (const auto& [name, seen] : out->inputs) {
    if (seen.finite) continue;
    return fail(
        {.what = "a linear's input is not finite while the model reads the calibration text",
         .where = name,
         .got = "NaN or infinity",
         .wanted = "finite activations",
         .remedy = "the checkpoint is damaged, or needs more range than f32"});
  }
  return out;
}

Scheme scheme_of_table(const Scheme& scheme, const std::string& name,
                       const Calibration* calibration) {
  const bool no_input =
      calibration != nullptr && calibration->inputs.find(name) == calibration->inputs.end();
  if (!is_static(scheme.activations) || !no_input) return scheme;
  return {scheme.weights, Activations::f32};
}

}  // namespace farthing
