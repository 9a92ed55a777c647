// Llama's blocks from its config.json.
#include "model/blocks/llama_blocks.h"

#include <fmt/format.h>

#include <cmath>

namespace farthing {
namespace {

AttentionPlan attention_of(const DecoderSizes& s, const std::string& prefix) {
  const int64_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  AttentionPlan out;
  out.inputs = {{prefix + "self_attn.q_proj", q, s.hidden},
                {prefix + "self_attn.k_proj", kv, s.hidden},
                {prefix + "self_attn.v_proj", kv, s.hidden}};
  out.q = ColumnsPlan::all(0, q);
  out.k = ColumnsPlan::all(1, kv);
  out.v = ColumnsPlan::all(2, kv);
  out.output = {prefix + "self_attn.o_proj", s.hidden, q};
  out.output.to_residual = true;
  out.heads = s.heads;
  out.kv_heads = s.kv_heads;
  out.head_dim = s.head_dim;
  out.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.head_dim)));
  return out;
}

}  // namespace

MlpPlan gated_mlp(int64_t hidden, int64_t inner, const std::string& gate, const std::string& up,
                  const std::string& down) {
  MlpPlan out;
  out.inputs = {{gate, inner, hidden}, {up, inner, hidden}};
  out.gate = ColumnsPlan::all(0, inner);
  out.up = ColumnsPlan::all(1, inner);
  out.down = {down, hidden, inner};
  out.down.to_residual = true;
  return out;
}

Result<ModelConfig> llama_blocks(const JsonObject& json, const LlamaDefaults& defaults) {
  const ActivationFunction function =
      TRY(activation_function_from_json(json, defaults.activation_field, defaults.activation));
  const bool attention_bias = TRY(json.boolean("attention_bias", false));
  const bool mlp_bias = TRY(json.boolean("mlp_bias", false));
  const DecoderSizes s = TRY(sizes_from_json(json, defaults.sizes));
  ModelConfig c = TRY(config_of_sizes(json, s));
  const float epsilon = TRY(epsilon_from_json(json, "rms_norm_eps", 1e-6));
  DecoderPlan& plan = c.plan;
  plan.embedding = {"model.embed_tokens", s.vocabulary, s.hidden};
  plan.ropes = {{TRY(rope_from_json(json, defaults.theta)), s.head_dim}};
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    BlockPlan& block = plan.blocks.emplace_back();
    block.attention_norm = {prefix + "input_layernorm", s.hidden, epsilon};
    block.mlp_norm = {prefix + "post_attention_layernorm", s.hidden, epsilon};
    block.attention = attention_of(s, prefix);
    for (LinearPlan& linear : block.attention.inputs) linear.bias = attention_bias;
    block.attention.output.bias = attention_bias;
    block.mlp = gated_mlp(s.hidden, s.inner, prefix + "mlp.gate_proj", prefix + "mlp.up_proj",
                          prefix + "mlp.down_proj");
    block.mlp.function = function;
    for (LinearPlan& linear : block.mlp.inputs) linear.bias = mlp_bias;
    block.mlp.down.bias = mlp_bias;
  }
  plan.final_norm = {"model.norm", s.hidden, epsilon};
  plan.head = {"lm_head", s.vocabulary, s.hidden};
  if (TRY(json.boolean("tie_word_embeddings", defaults.tied))) plan.head.name.clear();
  return c;
}

}  // namespace farthing
