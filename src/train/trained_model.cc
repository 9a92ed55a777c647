// Parameters behind a model's weights, and one pass forward and backward.
#include "train/trained_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/rehearsal.h"

#include "model/checkpoint_writer.h"
#include "ops/cross_entropy.h"

namespace farthing {
namespace {

ScaleRule rule_for(const Scheme& scheme, const TrainedPrecision& precision) {
  if (scheme.weights->scale_rules.empty()) return ScaleRule::half_step;
  if (precision.scale_rule && scheme.weights == precision.linears.weights)
    return *precision.scale_rule;
  return scheme.weights->scale_rules.front();
}

Error encode_error(const Parameter& p, const EncodeReport& report) {
  return {.what = "a trained weight cannot be encoded",
          .where = p.name,
          .got = report.nonfinite > 0
                     ? fmt::format("{} groups with NaN or infinity", report.nonfinite)
                     : fmt::format("{} scales or values that overflow", report.overflowed_scales),
          .wanted = fmt::format("finite weights within the range of {}", p.scheme.weights->name),
          .remedy =
              "training diverged: lower the learning rate or the clipping norm, and resume "
              "from the last checkpoint"};
}

}  // namespace

// Hands out what the model runs.
class TrainedModel::Source : public WeightSource {
 public:
  explicit Source(const TrainedModel& of) : of_(of) {}
  Result<StoredLinear> linear(const LinearSpec& spec) override {
    for (size_t i = 0; i < of_.parameters_.size(); ++i)
      if (of_.parameters_[i]->name == spec.name)
        return StoredLinear{of_.encoded_[i], of_.parameters_[i]->scheme.activations,
                            of_.inputs_[i]};
    CHECK(!"every linear has a parameter");
    return {};
  }
  Result<StoredLinear> table(const LinearSpec& spec) override { return linear(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override { return of_.find(spec.name)->value; }
  Result<KvCacheFormat> kv_cache() override {
    const bool scaled = kv_codec_info(of_.kv_codec()).scaling == KvScaling::of_head;
    return KvCacheFormat{of_.kv_codec(), scaled ? of_.model().kv_cache().scales : nullptr};
  }

 private:
  const TrainedModel& of_;
};

Result<std::unique_ptr<TrainedModel>> TrainedModel::create(Context& context, Checkpoint& from,
                                                           const TrainedPrecision& precision,
                                                           Progress& progress) {
  auto model = TRY(build_model(context, from.config(), from, progress));
  TRY(model->check_kv_cache(precision.kv_cache));
  std::unique_ptr<TrainedModel> out(new TrainedModel(std::move(model), precision));
  TRY(out->attach(context, from));
  for (const auto& p : out->parameters_) TRY(check_batch_invariant(p->scheme, p->name));
  TRY(out->encode(context));
  return out;
}

std::shared_ptr<Parameter> TrainedModel::find(const std::string& name) const {
  for (const auto& p : parameters_)
    if (p->name == name) return p;
  return nullptr;
}

Result<> TrainedModel::attach(Context& context, Checkpoint& from) {
  const TensorSpecs specs = tensors_of(model_->config());
  const std::optional<Scheme>& tables = precision_.tables;
  if (is_static(precision_.linears.activations) || (tables && is_static(tables->activations))) {
    NoProgress quiet;
    calibration_ = TRY(calibrate(
        context, from, {.range = {.outlier_threshold = precision_.outlier_threshold}}, quiet));
  }
  const auto input_of = [&](const std::string& name, const Scheme& scheme) -> Result<StaticInput> {
    if (!is_static(scheme.activations)) return StaticInput{};
    return calibration_->input_of(name, scheme.activations);
  };
  const auto add = [&](std::string name, Tensor master, const Scheme& scheme) {
    // a copy: the checkpoint's tensor may be a mapped file
    Tensor value(DType::f32, master.shape());
    if (!rehearsing())
      std::copy_n(std::as_const(master).as<float>(), master.shape().elements(), value.as<float>());
    parameters_.push_back(
        std::make_shared<Parameter>(Parameter{.name = std::move(name),
                                              .value = std::move(value),
                                              .gradient = Tensor(DType::f32, master.shape()),
                                              .scheme = scheme,
                                              .rule = rule_for(scheme, precision_),
                                              .decays = master.shape().rank() > 1}));
  };
  for (const LinearSpec& spec : specs.tables) {
    const StoredLinear stored = TRY(from.table(spec));
    const Scheme scheme =
        tables ? scheme_that_holds(scheme_of_table(*tables, spec.name, calibration_.get()), spec.k)
               : Scheme{stored.weight.format, stored.activations};
    inputs_.push_back(tables ? TRY(input_of(spec.name, scheme)) : stored.input);
    add(spec.name, stored.weight.decode(), scheme);
  }
  // A linear whose k the format cannot hold is trained as quantizing it would store it.
  for (const LinearSpec& spec : specs.linears) {
    const StoredLinear stored = TRY(from.linear(spec));
    const Scheme scheme = spec.keeps_precision ? Scheme{stored.weight.format, stored.activations}
                                               : scheme_that_holds(precision_.linears, spec.k);
    inputs_.push_back(spec.keeps_precision ? stored.input : TRY(input_of(spec.name, scheme)));
    add(spec.name, stored.weight.decode(), scheme);
  }
  const size_t matrices = parameters_.size();
  for (const VectorSpec& spec : specs.vectors)
    add(spec.name, TRY(from.vector(spec)), {find_format("f32"), Activations::f32});
  encoded_.resize(matrices);
  for (size_t i = 0; i < matrices; ++i) {
    roundings_.emplace_back(context, parameters_[i], precision_.rounding);
    if (roundings_[i].learned_scales() != nullptr)
      parameters_.push_back(roundings_[i].learned_scales());
  }

  const WeightSlots slots = model_->weights();
  for (const auto& [name, slot] : slots.tables) slot->parameter = find(name);
  for (const auto& [name, slot] : slots.linears) slot->parameter = find(name);
  for (const auto& [name, slot] : slots.vectors) {
    slot->parameter = find(name);
    slot->value = slot->parameter->value;
  }
  return {};
}

Result<> TrainedModel::encode(Context& context) {
  for (size_t i = 0; i < encoded_.size(); ++i) {
    const Parameter& p = *parameters_[i];
    QuantizedTensor& q = encoded_[i];
    if (q.format == nullptr)
      q = QuantizedTensor::allocate(*p.scheme.weights, p.value.shape()[0], p.value.shape()[1]);
    const EncodeReport report = roundings_[i].encode(context, q);
    if (report.nonfinite > 0 || report.overflowed_scales > 0) return fail(encode_error(p, report));
  }
  const auto place_of = [&](const Parameter* p) {
    const auto at = std::find_if(parameters_.begin(), parameters_.end(),
                                 [&](const auto& each) { return each.get() == p; });
    return static_cast<size_t>(at - parameters_.begin());
  };
  const WeightSlots slots = model_->weights();
  for (const auto& [name, slot] : slots.tables)
    slot->stored = encoded_[place_of(slot->parameter.get())];
  for (const auto& [name, slot] : slots.linears) {
    const size_t at = place_of(slot->parameter.get());
    slot->stored = encoded_[at];
    slot->packed =
        ops::pack_weight(context, slot->stored, {slot->parameter->scheme.activations, inputs_[at]});
    slot->clips_input = precision_.rounding.outside == ops::OutsideGradient::clipped;
  }
  return {};
}

std::vector<Sequence> TrainedModel::new_sequences(std::span<const TrainingSequence> batch) {
  if (pool_ == nullptr) pool_ = std::make_shared<KvPool>(model_->kv_layout(precision_.kv_cache));
  std::vector<Sequence> out;
  for (const TrainingSequence& s : batch)
    out.push_back(model_->new_sequence(pool_, static_cast<int64_t>(s.tokens.size())));
  return out;
}

double TrainedModel::run(Context& context, std::span<const TrainingSequence> batch, float scale,
                         bool train, bool checkpointing) {
  std::vector<Sequence> sequences = new_sequences(batch);
  std::vector<SequenceTokens> rows;
  std::vector<int32_t> targets;
  std::vector<float> losses, weights;
  for (size_t i = 0; i < batch.size(); ++i) {
    CHECK(batch[i].tokens.size() == batch[i].targets.size());
    rows.push_back({&sequences[i], batch[i].tokens, static_cast<int64_t>(batch[i].tokens.size())});
    targets.insert(targets.end(), batch[i].targets.begin(), batch[i].targets.end());
  }
  losses.resize(targets.size());
  std::vector<float> counted;  // 1 where there is a loss
  for (int32_t& target : targets) {
    counted.push_back(target < 0 ? 0.0f : 1.0f);
    weights.push_back(counted.back() * scale);
    target = std::max(target, 0);
  }

  const Workspace::Mark mark(context.workspace);
  Tape tape(checkpointing);
  if (train) context.tape = &tape;
  const auto memory = context.workspace.take_rows<float>(static_cast<int64_t>(targets.size()),
                                                         model_->config().vocabulary_size);
  // the gradient takes the logits' place
  const autograd::Value logits{memory, memory};
  model_->run(context, rows, logits);
  ops::cross_entropy_forward(context, logits.data, targets, losses);
  if (train) {
    ops::cross_entropy_backward(context, logits.data, targets, weights, logits.gradient);
    tape.run_backward(context);
    context.tape = nullptr;
  }
  double sum = 0;
  for (size_t i = 0; i < losses.size(); ++i)
    if (counted[i] != 0) sum += losses[i];
  return sum;
}

double TrainedModel::accumulate_gradients(Context& context, std::span<const TrainingSequence> batch,
                                          float scale, bool checkpointing) {
  return run(context, batch, scale, true, checkpointing);
}

double TrainedModel::loss(Context& context, std::span<const TrainingSequence> batch) {
  return run(context, batch, 0, false, false);
}

void TrainedModel::pass_gradients(Context& context) {
  for (size_t i = 0; i < roundings_.size(); ++i) roundings_[i].pass_gradient(context, encoded_[i]);
}

void TrainedModel::clear_gradients(Context& context) {
  for (const auto& p : parameters_) {
    float* gradient = p->gradient.as<float>();
    context.pool.run([&](Part part) {
      const auto range = part.range(p->gradient.shape().elements(), 4096);
      std::fill(gradient + range.begin, gradient + range.end, 0.0f);
    });
  }
}

Result<> TrainedModel::write(Checkpoint& from, std::string method, std::string manifest,
                             const std::filesystem::path& to, Progress& progress) const {
  Source source(*this);
  const CheckpointWriting writing{
      .from = from,
      .source = source,
      .method = std::move(method),
      .scheme = precision_.linears,
      .scale_rule = precision_.scale_rule,
      .linear_of = [&](const LinearSpec& spec, bool) -> Result<CheckpointWriting::Linear> {
        const StoredLinear stored = TRY(source.linear(spec));
        return CheckpointWriting::Linear{{stored.weight.format, stored.activations},
                                         stored.input.outliers.count()};
      },
      .manifest = [&] { return manifest; }};
  return write_checkpoint(writing, to, progress);
}

}  // namespace farthing
