// Random weights by name.
#include "train/fresh_checkpoint.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/rehearsal.h"
#include "io/json.h"

namespace farthing {
namespace {

class FreshCheckpoint : public Checkpoint {
 public:
  FreshCheckpoint(const Checkpoint& from, std::string config, ModelConfig sizes, uint64_t seed)
      : from_(from), config_text_(std::move(config)), seed_(seed) {
    config_ = std::move(sizes);
    path_ = from.path();
  }

  std::string_view kind() const override { return "random weights"; }
  std::vector<StoredTensorInfo> tensors() const override { return {}; }
  Result<Tensor> values(const std::string& name) const override {
    const TensorSpecs specs = tensors_of(config_);
    for (const auto* list : {&specs.linears, &specs.tables})
      for (const LinearSpec& spec : *list)
        if (spec.name == name) return random(spec);
    return fail({.what = "no such tensor",
                 .where = name,
                 .got = {},
                 .wanted = "a matrix of the model",
                 .remedy = "check the name"});
  }
  Result<Tokenizer> tokenizer() const override { return from_.tokenizer(); }
  Result<std::string> chat_template() const override { return from_.chat_template(); }
  Result<std::string> config_json() const override { return config_text_; }
  Result<> write_companions(const std::filesystem::path& folder) const override {
    return from_.write_companions(folder);
  }

  Result<StoredLinear> linear(const LinearSpec& spec) override {
    QuantizedTensor q{find_format("f32"), spec.n, spec.k, DType::f16, {random(spec)}};
    return StoredLinear{std::move(q), Activations::f32};
  }
  Result<StoredLinear> table(const LinearSpec& spec) override { return linear(spec); }
  Result<Tensor> vector(const VectorSpec& spec) override {
    Tensor out(DType::f32, {spec.size});
    std::fill_n(out.as<float>(), spec.size, spec.initial);
    return out;
  }

 private:
  Tensor random(const LinearSpec& spec) const {
    const double deviation =
        spec.to_residual ? 0.02 / std::sqrt(2.0 * static_cast<double>(config_.layers)) : 0.02;
    const uint64_t stream = XXH3_64bits(spec.name.data(), spec.name.size());
    Tensor out(DType::f32, {spec.n, spec.k});
    if (rehearsing()) return out;
    for (int64_t i = 0; i < spec.n * spec.k; ++i)
      out.as<float>()[i] =
          static_cast<float>(deviation) * random_normal(seed_, stream, static_cast<uint64_t>(i));
    return out;
  }

  const Checkpoint& from_;
  std::string config_text_;
  uint64_t seed_;
};

}  // namespace

Result<std::unique_ptr<Checkpoint>> fresh_checkpoint(const Checkpoint& from,
                                                     const FreshModel& sizes, uint64_t seed) {
  auto json = TRY(JsonObject::parse(TRY(from.config_json()), "config.json"));
  const auto set = [&](std::string_view key, const std::string& value) -> Result<> {
    json = TRY(json.with(key, value));
    return {};
  };
  TRY(set("hidden_size", std::to_string(sizes.hidden_size)));
  TRY(set("num_hidden_layers", std::to_string(sizes.layers)));
  TRY(set("num_attention_heads", std::to_string(sizes.heads)));
  TRY(set("num_key_value_heads", std::to_string(sizes.kv_heads)));
  TRY(set("head_dim", std::to_string(sizes.hidden_size / sizes.heads)));
  TRY(set("intermediate_size", std::to_string(sizes.intermediate_size)));
  TRY(set("max_position_embeddings", std::to_string(sizes.max_positions)));
  TRY(set("tie_word_embeddings", sizes.tied_embeddings ? "true" : "false"));
  ModelConfig config = TRY(config_from_json(json));
  config.stop_tokens = from.config().stop_tokens;
  return std::unique_ptr<Checkpoint>(
      new FreshCheckpoint(from, json.text(), std::move(config), seed));
}

}  // namespace farthing
