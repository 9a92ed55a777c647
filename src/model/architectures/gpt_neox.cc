// GPT-NeoX and Pythia: a part of each head is turned, q, k and v of each head lie together, and
// attention and MLP mostly read the same input.
#include <fmt/format.h>

#include "model/blocks/plain_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

constexpr SizeFields fields{.kv_heads = "num_attention_heads"};

Result<ModelConfig> read(const JsonObject& json) {
  TRY(refuse_unless(TRY(json.boolean("attention_bias", true)), json, "attention_bias", "false",
                    "true"));
  const DecoderSizes s = TRY(sizes_from_json(json, fields));
  const auto function = TRY(activation_function_from_json(json, "hidden_act", "gelu"));
  const float epsilon = TRY(epsilon_from_json(json, "layer_norm_eps", 1e-5));
  const bool parallel = TRY(json.boolean("use_parallel_residual", true));
  ModelConfig c = TRY(config_of_sizes(json, s));
  DecoderPlan& plan = c.plan;
  plan.embedding = {"gpt_neox.embed_in", s.vocabulary, s.hidden};
  const double theta = TRY(json.number("rotary_emb_base", 10000.0));
  plan.ropes = {{TRY(rope_from_json(json, theta)),
                 TRY(rotary_dim_from_json(json, s.head_dim, "rotary_pct"))}};
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string prefix = fmt::format("gpt_neox.layers.{}.", layer);
    BlockPlan block = plain_block(s, prefix,
                                  {"input_layernorm", "post_attention_layernorm", "attention.dense",
                                   "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"},
                                  epsilon, function);
    AttentionPlan& attention = block.attention;
    const int64_t d = s.head_dim, n = s.heads * d;
    attention.inputs = {{prefix + "attention.query_key_value", 3 * n, s.hidden, true}};
    attention.q = {0, 0, d, 3 * d, n};
    attention.k = {0, d, d, 3 * d, n};
    attention.v = {0, 2 * d, d, 3 * d, n};
    block.parallel = parallel;
    plan.blocks.push_back(std::move(block));
  }
  plan.final_norm = {"gpt_neox.final_layer_norm", s.hidden, epsilon, NormKind::layer};
  plan.head = {"embed_out", s.vocabulary, s.hidden};
  if (TRY(json.boolean("tie_word_embeddings", false))) plan.head.name.clear();
  return c;
}

Result<> translate(GgufTranslation& t) {
  TRY(t.llama_sizes());
  TRY(t.rope());
  TRY(t.number("attention.layer_norm_epsilon", "layer_norm_eps"));
  const int64_t heads = TRY(t.value("attention.head_count"));
  const int64_t dim = heads > 0 ? TRY(t.value("embedding_length")) / heads : 0;
  const int64_t rotated = TRY(t.value("rope.dimension_count"));
  if (dim > 0)
    t.json().field("rotary_pct", static_cast<double>(rotated) / static_cast<double>(dim));
  t.json().field("use_parallel_residual", TRY(t.flag("use_parallel_residual")));
  return {};
}

}  // namespace

Architecture gpt_neox_architecture() {
  return {.name = "gpt_neox",
          .hugging_face = {"GPTNeoXForCausalLM"},
          .read = read,
          .gguf = {.architecture = "gptneox",
                   .tensors = {{"gpt_neox.embed_in", "token_embd"},
                               {"gpt_neox.layers.#.input_layernorm", "blk.#.attn_norm"},
                               {"gpt_neox.layers.#.attention.query_key_value", "blk.#.attn_qkv"},
                               {"gpt_neox.layers.#.attention.dense", "blk.#.attn_output"},
                               {"gpt_neox.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
                               {"gpt_neox.layers.#.mlp.dense_h_to_4h", "blk.#.ffn_up"},
                               {"gpt_neox.layers.#.mlp.dense_4h_to_h", "blk.#.ffn_down"},
                               {"gpt_neox.final_layer_norm", "output_norm"},
                               {"embed_out", "output"}},
                   .qkv_in_blocks = true,
                   .translate = translate}};
}

}  // namespace farthing
