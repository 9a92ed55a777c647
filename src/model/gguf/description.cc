// The keys come from the plan: what a decoder has of a kind (experts, windows, caps) is written
// under the kind's keys, whichever architecture it is.
#include "model/gguf/description.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/scalar_math.h"
#include "model/gguf/names.h"

namespace farthing {
namespace {

class Describer {
 public:
  Describer(const ModelConfig& config, const JsonObject& json, const Architecture& architecture)
      : c_(config), json_(json), name_(architecture.gguf.architecture) {}

  Result<GgufDescription> describe() {
    out_.metadata.set("general.architecture", name_);
    sizes();
    const NormPlan& norm = c_.plan.final_norm;
    number(norm.kind == NormKind::layer ? "attention.layer_norm_epsilon"
                                        : "attention.layer_norm_rms_epsilon",
           norm.epsilon);
    if (!c_.plan.ropes.empty()) TRY(rope());
    attention();
    experts();
    return std::move(out_);
  }

 private:
  std::string full(std::string_view key) const { return fmt::format("{}.{}", name_, key); }
  void integer(std::string_view key, int64_t value) {
    out_.metadata.set(full(key), static_cast<uint32_t>(value));
  }
  void number(std::string_view key, double value) {
    out_.metadata.set(full(key), static_cast<float>(value));
  }
  void flag(std::string_view key, bool value) { out_.metadata.set(full(key), value); }

  void sizes() {
    integer("context_length", c_.max_positions);
    integer("embedding_length", c_.hidden_size);
    integer("feed_forward_length", c_.intermediate_size);
    integer("block_count", c_.layers);
    integer("attention.head_count", c_.heads);
    integer("attention.head_count_kv", c_.kv_heads);
    integer("vocab_size", c_.plan.embedding.n);
    const LatentAttentionPlan& latent = c_.plan.blocks.front().latent;
    if (latent.heads == 0) {
      integer("attention.key_length", c_.head_dim);
      integer("attention.value_length", c_.head_dim);
      return;
    }
    integer("attention.key_length", latent.head_dim());
    integer("attention.value_length", latent.value_dim);
    integer("attention.kv_lora_rank", latent.kv_rank);
    if (!latent.query_latent.name.empty()) integer("attention.q_lora_rank", latent.query_latent.n);
  }

  Result<> rope() {
    const RopePlan& all = c_.plan.ropes.front();
    const RopeParameters& rope = all.parameters;
    integer("rope.dimension_count", all.rotary_dim);
    number("rope.freq_base", rope.theta);
    if (c_.plan.ropes.size() > 1) number("rope.freq_base_swa", c_.plan.ropes[1].parameters.theta);
    switch (rope.scaling) {
      case RopeScaling::none:
        break;
      case RopeScaling::linear:
        out_.metadata.set(full("rope.scaling.type"), "linear");
        number("rope.scaling.factor", rope.factor);
        break;
      case RopeScaling::llama3:
        llama3(rope, all.rotary_dim);
        break;
      case RopeScaling::yarn:
        TRY(yarn(rope));
        break;
      case RopeScaling::factors:
        TRY(factors(rope));
        break;
    }
    return {};
  }

  // By how much the frequency of each pair is divided.
  void llama3(const RopeParameters& rope, int64_t dim) {
    RopeParameters plain;
    plain.theta = rope.theta;
    const RopeTable from(plain, dim), to(rope, dim);
    std::vector<float> divisors;
    for (size_t i = 0; i < from.frequencies().size(); ++i)
      divisors.push_back(from.frequencies()[i] / to.frequencies()[i]);
    out_.factors.emplace_back("rope_freqs.weight", std::move(divisors));
  }

  std::string rope_field() const {
    return json_.has("rope_parameters") && !json_.is_null("rope_parameters") ? "rope_parameters"
                                                                             : "rope_scaling";
  }

  Result<> yarn(const RopeParameters& rope) {
    out_.metadata.set(full("rope.scaling.type"), "yarn");
    number("rope.scaling.factor", rope.factor);
    integer("rope.scaling.original_context_length", rope.original_max_positions);
    number("rope.scaling.yarn_beta_fast", rope.beta_fast);
    number("rope.scaling.yarn_beta_slow", rope.beta_slow);
    const double all = TRY(json_.number(rope_field() + ".mscale_all_dim", 0.0));
    if (all != 0) number("rope.scaling.yarn_log_multiplier", 0.1 * all);
    // a reader multiplies the paper's factor by this one
    const double paper = 0.1 * fixed_log(rope.factor) + 1;
    if (all == 0 && rope.attention_factor != paper)
      number("rope.scaling.attn_factor", rope.attention_factor / paper);
    return {};
  }

  Result<> factors(const RopeParameters& rope) {
    const std::vector<double> far = TRY(json_.numbers(rope_field() + ".long_factor"));
    out_.factors.emplace_back("rope_factors_long.weight",
                              std::vector<float>(far.begin(), far.end()));
    out_.factors.emplace_back("rope_factors_short.weight", rope.factors);
    integer("rope.scaling.original_context_length", rope.original_max_positions);
    number("rope.scaling.attn_factor", rope.attention_factor);
    return {};
  }

  void attention() {
    int64_t window = 0;
    for (const BlockPlan& block : c_.plan.blocks) window = std::max(window, block.attention.window);
    if (window != 0) integer("attention.sliding_window", window);
    if (const float cap = c_.plan.blocks.front().attention.softcap; cap != 0)
      number("attn_logit_softcapping", cap);
    if (c_.plan.logit_softcap != 0) number("final_logit_softcapping", c_.plan.logit_softcap);
    if (c_.plan.final_norm.kind == NormKind::layer)
      flag("use_parallel_residual", c_.plan.blocks.front().parallel);
  }

  void experts() {
    const auto& blocks = c_.plan.blocks;
    const auto first = std::find_if(blocks.begin(), blocks.end(), [](const BlockPlan& block) {
      return !block.experts.experts.empty();
    });
    if (first == blocks.end()) return;
    const ExpertsPlan& experts = first->experts;
    const ops::RoutingOptions& routing = experts.routing;
    const int64_t inner = experts.experts.front().down.k;
    integer("expert_count", static_cast<int64_t>(experts.experts.size()));
    integer("expert_used_count", routing.chosen);
    integer("expert_feed_forward_length", inner);
    if (first->latent.heads == 0) return;
    integer("leading_dense_block_count", first - blocks.begin());
    if (!experts.shared.inputs.empty())
      integer("expert_shared_count", experts.shared.down.k / inner);
    number("expert_weights_scale", routing.factor);
    flag("expert_weights_norm", routing.renormalize);
    integer("expert_gating_func", routing.scores == ops::ExpertScores::sigmoid ? 2 : 1);
    if (routing.groups > 1) {
      integer("expert_group_count", routing.groups);
      integer("expert_group_used_count", routing.chosen_groups);
    }
  }

  const ModelConfig& c_;
  const JsonObject& json_;
  std::string name_;
  GgufDescription out_;
};

}  // namespace

Result<const Architecture*> gguf_architecture_for(const ModelConfig& config,
                                                  const std::string& where) {
  // Mistral's files call themselves Llama's
  std::string_view name = config.architecture;
  if (name == "mistral") name = "llama";
  for (const Architecture& architecture : all_architectures())
    if (architecture.name == name && !architecture.gguf.architecture.empty()) return &architecture;
  return fail({.what = "the model's architecture has no GGUF files",
               .where = where,
               .got = config.architecture,
               .wanted = "one of " + known_gguf_architectures(),
               .remedy = "keep the model as a Hugging Face directory"});
}

Result<GgufDescription> describe_for_gguf(const ModelConfig& config, const JsonObject& json,
                                          const Architecture& architecture) {
  return Describer(config, json, architecture).describe();
}

}  // namespace farthing
