// DeepSeek's names and metadata in GGUF files.
#include "model/blocks/deepseek_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

// Newer files count keys and values as latent ones, and write heads' own lengths beside them.
Result<int64_t> length_of(GgufTranslation& t, const std::string& key) {
  return TRY(t.value(t.has(key + "_mla") ? key + "_mla" : key));
}

Result<> translate(GgufTranslation& t) {
  JsonWriter& json = t.json();
  const int64_t heads = TRY(t.value("attention.head_count"));
  const int64_t rotary = TRY(t.value("rope.dimension_count"));
  const int64_t key = TRY(length_of(t, "attention.key_length"));
  json.field("num_attention_heads", heads).field("num_key_value_heads", heads);
  json.field("qk_rope_head_dim", rotary).field("qk_nope_head_dim", key - rotary);
  json.field("v_head_dim", TRY(length_of(t, "attention.value_length")));
  TRY(t.integer("embedding_length", "hidden_size"));
  TRY(t.integer("feed_forward_length", "intermediate_size"));
  TRY(t.integer("block_count", "num_hidden_layers"));
  TRY(t.integer("context_length", "max_position_embeddings"));
  TRY(t.number("attention.layer_norm_rms_epsilon", "rms_norm_eps"));
  TRY(t.integer("attention.kv_lora_rank", "kv_lora_rank"));
  if (t.has("attention.q_lora_rank")) {
    TRY(t.integer("attention.q_lora_rank", "q_lora_rank"));
  } else {
    json.key("q_lora_rank").null();
  }
  json.field("attention_bias", t.has_tensor("blk.0.attn_kv_a_mqa.bias"));
  TRY(t.rope());
  TRY(t.experts("n_routed_experts"));
  TRY(t.integer("expert_feed_forward_length", "moe_intermediate_size"));
  TRY(t.integer("leading_dense_block_count", "first_k_dense_replace", 0));
  if (t.has("expert_shared_count") && TRY(t.value("expert_shared_count")) > 0)
    TRY(t.integer("expert_shared_count", "n_shared_experts"));
  TRY(t.number("expert_weights_scale", "routed_scaling_factor", 1.0));
  if (t.has("expert_weights_norm"))
    json.field("norm_topk_prob", TRY(t.flag("expert_weights_norm")));
  const int64_t groups = t.has("expert_group_count") ? TRY(t.value("expert_group_count")) : 1;
  json.field("n_group", groups);
  return t.integer("expert_group_used_count", "topk_group", 1);
}

Result<> translate_v2(GgufTranslation& t) {
  TRY(translate(t));
  const bool grouped = t.has("expert_group_count") && TRY(t.value("expert_group_count")) > 1;
  t.json().field("topk_method", grouped ? "group_limited_greedy" : "greedy");
  return {};
}

}  // namespace

GgufNaming deepseek_gguf(bool v3) {
  return {.architecture = "deepseek2",
          .experts = true,
          .sigmoid_experts = v3,
          .tensors = {{"model.layers.#.self_attn.q_a_proj", "blk.#.attn_q_a"},
                      {"model.layers.#.self_attn.q_a_layernorm", "blk.#.attn_q_a_norm"},
                      {"model.layers.#.self_attn.q_b_proj", "blk.#.attn_q_b"},
                      {"model.layers.#.self_attn.kv_a_proj_with_mqa", "blk.#.attn_kv_a_mqa"},
                      {"model.layers.#.self_attn.kv_a_layernorm", "blk.#.attn_kv_a_norm"},
                      {"model.layers.#.self_attn.kv_b_proj", "blk.#.attn_kv_b"},
                      {"model.layers.#.mlp.gate.e_score_correction_bias", "blk.#.exp_probs_b.bias"},
                      {"model.layers.#.mlp.shared_experts.gate_proj", "blk.#.ffn_gate_shexp"},
                      {"model.layers.#.mlp.shared_experts.up_proj", "blk.#.ffn_up_shexp"},
                      {"model.layers.#.mlp.shared_experts.down_proj", "blk.#.ffn_down_shexp"}},
          .translate = v3 ? translate : translate_v2};
}

}  // namespace farthing
