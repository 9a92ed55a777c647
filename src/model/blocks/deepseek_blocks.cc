// DeepSeek's blocks from its config.json.
#include "model/blocks/deepseek_blocks.h"

#include <fmt/format.h>

#include <cmath>

namespace farthing {
namespace {

constexpr int64_t most_experts = 4096, most_rank = 1 << 20, most_part = 256;
constexpr float latent_epsilon = 1e-6F;  // whatever rms_norm_eps is

Result<LatentAttentionPlan> attention_of(const JsonObject& json, const ModelConfig& c,
                                         const DeepseekDefaults& defaults) {
  LatentAttentionPlan out;
  out.heads = c.heads;
  out.kv_rank = TRY(count_from_json(json, "kv_lora_rank", most_rank));
  out.plain_dim = TRY(count_from_json(json, "qk_nope_head_dim", most_part));
  out.rotary_dim = TRY(count_from_json(json, "qk_rope_head_dim", most_part));
  out.value_dim = TRY(count_from_json(json, "v_head_dim", most_part));
  out.interleaved_rope = TRY(json.boolean("rope_interleave", defaults.interleaved_rope));
  const int64_t head = out.head_dim();
  TRY(refuse_unless(head <= most_part && head % 2 == 0, json, "qk_nope_head_dim",
                    fmt::format("heads of {} + {}", out.plain_dim, out.rotary_dim),
                    fmt::format("an even number, at most {}", most_part)));
  TRY(refuse_unless(out.value_dim <= head, json, "v_head_dim", std::to_string(out.value_dim),
                    fmt::format("at most {}, the length of a key", head)));
  TRY(refuse_unless(c.kv_heads == c.heads, json, "num_key_value_heads", std::to_string(c.kv_heads),
                    fmt::format("{}, as many as heads", c.heads)));
  const double factor = TRY(yarn_score_factor_from_json(json));
  out.scale = static_cast<float>(factor / std::sqrt(static_cast<double>(head)));
  const bool bias = TRY(json.boolean("attention_bias", false));
  int64_t query_inputs = c.hidden_size;
  if (!json.is_null("q_lora_rank")) {
    query_inputs = TRY(count_from_json(json, "q_lora_rank", most_rank));
    out.query_latent = {"q_a_proj", query_inputs, c.hidden_size, bias};
    out.query_norm = {"q_a_layernorm", query_inputs, latent_epsilon};
  }
  const bool latent = !out.query_latent.name.empty();
  out.query = {latent ? "q_b_proj" : "q_proj", c.heads * head, query_inputs};
  out.kv_latent = {"kv_a_proj_with_mqa", out.kv_rank + out.rotary_dim, c.hidden_size, bias};
  out.kv_norm = {"kv_a_layernorm", out.kv_rank, latent_epsilon};
  out.key_value = {"kv_b_proj", c.heads * (out.plain_dim + out.value_dim), out.kv_rank};
  out.output = {"o_proj", c.hidden_size, c.heads * out.value_dim, bias};
  out.output.to_residual = true;
  return out;
}

// The plan of one layer, from that of any.
LatentAttentionPlan with_prefix(LatentAttentionPlan plan, const std::string& prefix) {
  for (std::string* name :
       {&plan.query_latent.name, &plan.query_norm.name, &plan.query.name, &plan.kv_latent.name,
        &plan.kv_norm.name, &plan.key_value.name, &plan.output.name})
    if (!name->empty()) name->insert(0, prefix);
  return plan;
}

struct ExpertSizes {
  int64_t count = 0, inner = 0, shared = 0;
  ops::RoutingOptions routing;
};

Result<ExpertSizes> experts_of(const JsonObject& json, const DeepseekDefaults& defaults) {
  ExpertSizes out;
  out.count = TRY(count_from_json(json, "n_routed_experts", most_experts));
  out.inner = TRY(count_from_json(json, "moe_intermediate_size", 1 << 20));
  if (json.has("n_shared_experts") && !json.is_null("n_shared_experts"))
    out.shared = TRY(count_from_json(json, "n_shared_experts", 64));
  const std::string scoring = TRY(json.string("scoring_func", std::string(defaults.scoring)));
  TRY(refuse_unless(scoring == defaults.scoring, json, "scoring_func", scoring,
                    std::string(defaults.scoring)));
  const int64_t every = TRY(json.integer("moe_layer_freq", 1));
  TRY(refuse_unless(every == 1, json, "moe_layer_freq", std::to_string(every), "1"));
  out.routing = TRY(defaults.routing(json, out.count));
  const int64_t within = out.count / out.routing.groups * out.routing.chosen_groups;
  out.routing.chosen = TRY(count_from_json(json, "num_experts_per_tok", within));
  return out;
}

ExpertsPlan experts_plan(const ExpertSizes& sizes, const ModelConfig& c, const std::string& prefix,
                         bool choice_bias, ActivationFunction function) {
  const auto mlp = [&](int64_t inner, const std::string& name) {
    MlpPlan out =
        gated_mlp(c.hidden_size, inner, name + "gate_proj", name + "up_proj", name + "down_proj");
    out.function = function;
    return out;
  };
  ExpertsPlan out;
  out.router = {prefix + "gate", sizes.count, c.hidden_size};
  out.router.keeps_precision = true;
  out.routing = sizes.routing;
  if (choice_bias) out.choice_bias = prefix + "gate.e_score_correction_bias";
  for (int64_t e = 0; e < sizes.count; ++e)
    out.experts.push_back(mlp(sizes.inner, fmt::format("{}experts.{}.", prefix, e)));
  if (sizes.shared > 0) out.shared = mlp(sizes.inner * sizes.shared, prefix + "shared_experts.");
  return out;
}

}  // namespace

Result<> expert_groups_from_json(const JsonObject& json, int64_t experts,
                                 ops::RoutingOptions& options) {
  options.groups = TRY(count_from_json(json, "n_group", experts));
  options.chosen_groups = TRY(count_from_json(json, "topk_group", options.groups));
  return refuse_unless(
      experts % options.groups == 0 && experts / options.groups >= options.best_of_group, json,
      "n_group", fmt::format("{} groups of {} experts", options.groups, experts),
      fmt::format("equal groups of {} and more", options.best_of_group));
}

Result<ModelConfig> deepseek_blocks(const JsonObject& json, const DeepseekDefaults& defaults) {
  ModelConfig c = TRY(llama_blocks(json, {.sizes = {.head_dim = "qk_rope_head_dim"}}));
  const LatentAttentionPlan attention = TRY(attention_of(json, c, defaults));
  c.head_dim = attention.head_dim();
  const int64_t dense = TRY(json.integer("first_k_dense_replace", defaults.dense_layers));
  std::optional<ExpertSizes> sizes;
  if (json.has("n_routed_experts") && !json.is_null("n_routed_experts"))
    sizes = TRY(experts_of(json, defaults));
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    BlockPlan& block = c.plan.blocks[static_cast<size_t>(layer)];
    block.latent = with_prefix(attention, prefix + "self_attn.");
    block.attention = {};
    if (sizes && layer >= dense)
      block.experts =
          experts_plan(*sizes, c, prefix + "mlp.", defaults.choice_bias, block.mlp.function);
  }
  return c;
}

}  // namespace farthing
