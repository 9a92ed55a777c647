// Turns are applied when a weight is handed out, so that none is held twice.
#include "quant/rotation/rotated_checkpoint.h"

#include <fmt/format.h>

#include "io/json.h"
#include "quant/rotation/apply_turns.h"

namespace farthing {
namespace {

// A bias that is so much larger than its gain would round what it is added to.
constexpr double largest_bias = 1000;

class RotatedCheckpoint : public Checkpoint {
 public:
  RotatedCheckpoint(Checkpoint& from, const Rotation& rotation, std::string config_text,
                    ModelConfig config)
      : from_(from), seed_(static_cast<uint64_t>(rotation.seed)), config_text_(config_text) {
    path_ = from.path();
    config_ = std::move(config);
    turns_ = turns_of(config_, rotation);
  }

  std::string_view kind() const override { return from_.kind(); }
  std::vector<StoredTensorInfo> tensors() const override { return from_.tensors(); }
  Result<Tensor> values(const std::string& name) const override { return from_.values(name); }
  Result<Tokenizer> tokenizer() const override { return from_.tokenizer(); }
  Result<std::string> chat_template() const override { return from_.chat_template(); }
  Result<std::string> config_json() const override { return config_text_; }
  Result<> write_companions(const std::filesystem::path& folder) const override {
    return from_.write_companions(folder);
  }
  // Scales of heads would be of channels that are turned: quantize_checkpoint refuses them.
  Result<KvCacheFormat> kv_cache() override { return from_.kv_cache(); }
  void use_pool(ThreadPool* pool) override {
    pool_ = pool;
    from_.use_pool(pool);
  }

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    return turned(spec, TRY(from_.linear(spec)));
  }

  Result<StoredLinear> table(const LinearSpec& spec) override {
    LinearSpec source = spec;
    const bool untied =
        from_.config().tied_embeddings() && spec.name == config_.plan.head.name + ".weight";
    if (untied) source.name = from_.config().plan.embedding.name + ".weight";
    return turned(spec, TRY(from_.table(source)));
  }

  Result<Tensor> vector(const VectorSpec& spec) override {
    Tensor from = TRY(from_.vector(spec));
    const auto found = turns_.vectors.find(spec.name);
    if (found == turns_.vectors.end()) return from;
    const VectorTurn& what = found->second;
    Tensor out(DType::f32, {spec.size});
    float* const to = out.as<float>();
    if (what.is_gain) {
      std::fill_n(to, spec.size, what.norm.kind == NormKind::rms_one_plus ? 0.0f : 1.0f);
      return out;
    }
    std::vector<double> values(std::as_const(from).as<float>(),
                               std::as_const(from).as<float>() + spec.size);
    if (!what.norm.name.empty()) {
      const auto gains = TRY(gains_of(what.norm));
      for (size_t i = 0; i < values.size(); ++i) {
        const double divided = values[i] == 0 ? 0 : values[i] / gains[i];
        if (!(divided > -largest_bias && divided < largest_bias))
          return fail(bias_error(what.norm, values[i], gains[i]));
        values[i] = divided;
      }
    }
    turn_vector(*what.turn, seed_, values);
    for (int64_t i = 0; i < spec.size; ++i)
      to[i] = static_cast<float>(values[static_cast<size_t>(i)]);
    return out;
  }

 private:
  Result<StoredLinear> turned(const LinearSpec& spec, StoredLinear stored) {
    const auto found = turns_.matrices.find(spec.name);
    if (found == turns_.matrices.end()) return stored;
    const LinearTurns& turns = found->second;
    std::vector<double> gains;
    if (!turns.norm.name.empty()) gains = TRY(gains_of(turns.norm));
    Tensor values = stored.weight.decode();
    turn_matrix(pool_, turns, seed_, gains, values.as<float>(), spec.n, spec.k);
    stored.weight = {find_format("f32"), spec.n, spec.k, DType::f32, {std::move(values)}};
    return StoredLinear{std::move(stored.weight)};
  }

  // What a norm's outputs are multiplied by.
  Result<std::vector<double>> gains_of(const NormPlan& norm) {
    const Tensor gain = TRY(from_.vector(vectors_of(norm).front()));
    std::vector<double> out(gain.as<float>(), gain.as<float>() + norm.size);
    if (norm.kind == NormKind::rms_one_plus)
      for (double& each : out) each += 1;
    return out;
  }

  Error bias_error(const NormPlan& norm, double bias, double gain) const {
    return {.what = "a layer norm's gain is too small beside its bias to be folded",
            .where = fmt::format("{}, tensor {}.bias", path_.string(), norm.name),
            .got = fmt::format("{} beside a gain of {}", bias, gain),
            .wanted = fmt::format("at most {} times the gain", largest_bias),
            .remedy = "rotate without r1"};
  }

  Checkpoint& from_;
  uint64_t seed_;
  std::string config_text_;
  ModelTurns turns_;
  ThreadPool* pool_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Checkpoint>> rotated_checkpoint(Checkpoint& from, const Rotation& rotation) {
  if (from.config().plan.rotation.any()) {
    return fail({.what = "the model is rotated already",
                 .where = from.path().string(),
                 .got = from.config().plan.rotation.name(),
                 .wanted = "a model that is not",
                 .remedy = "rotate the model that this one was made from"});
  }
  auto json = TRY(JsonObject::parse(TRY(from.config_json()), from.path().string()));
  if (rotation.r1 && from.config().tied_embeddings())
    json = TRY(json.with("tie_word_embeddings", "false"));
  ModelConfig config = TRY(config_from_json(json));
  config.stop_tokens = from.config().stop_tokens;
  TRY(rotate_plan(config, rotation, from.path().string()));
  return std::unique_ptr<Checkpoint>(
      new RotatedCheckpoint(from, rotation, json.text(), std::move(config)));
}

}  // namespace farthing
