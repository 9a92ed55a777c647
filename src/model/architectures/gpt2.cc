// GPT-2: learned positions, q, k and v in one linear; its file stores matrices as [k, n].
#include <fmt/format.h>

#include "model/blocks/plain_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

constexpr SizeFields fields{.hidden = "n_embd",
                            .inner = "n_inner",
                            .layers = "n_layer",
                            .heads = "n_head",
                            .kv_heads = "n_head",
                            .positions = "n_positions"};

Result<ModelConfig> read(const JsonObject& json) {
  for (const char* field :
       {"scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"})
    TRY(refuse_unless(!TRY(json.boolean(field, false)), json, field, "true", "false"));
  TRY(refuse_unless(TRY(json.boolean("scale_attn_weights", true)), json, "scale_attn_weights",
                    "false", "true"));
  const DecoderSizes s = TRY(sizes_from_json(json, fields, 4));
  const auto function = TRY(activation_function_from_json(json, "activation_function", "gelu_new"));
  const float epsilon = TRY(epsilon_from_json(json, "layer_norm_epsilon", 1e-5));
  ModelConfig c = TRY(config_of_sizes(json, s));
  DecoderPlan& plan = c.plan;
  plan.embedding = {"transformer.wte", s.vocabulary, s.hidden};
  plan.positions = {"transformer.wpe", s.positions, s.hidden};
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string prefix = fmt::format("transformer.h.{}.", layer);
    BlockPlan block = plain_block(
        s, prefix, {"ln_1", "ln_2", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}, epsilon, function);
    AttentionPlan& attention = block.attention;
    attention.inputs = {{prefix + "attn.c_attn", 3 * s.hidden, s.hidden, true}};
    attention.q = ColumnsPlan::block(0, 0, s.hidden);
    attention.k = ColumnsPlan::block(0, s.hidden, s.hidden);
    attention.v = ColumnsPlan::block(0, 2 * s.hidden, s.hidden);
    attention.rope = -1;
    attention.inputs[0].transposed = attention.output.transposed = true;
    block.mlp.inputs[0].transposed = block.mlp.down.transposed = true;
    plan.blocks.push_back(std::move(block));
  }
  plan.final_norm = {"transformer.ln_f", s.hidden, epsilon, NormKind::layer};
  plan.head = {"lm_head", s.vocabulary, s.hidden};
  if (TRY(json.boolean("tie_word_embeddings", true))) plan.head.name.clear();
  return c;
}

Result<> translate(GgufTranslation& t) {
  TRY(t.integer("embedding_length", fields.hidden));
  TRY(t.integer("feed_forward_length", fields.inner));
  TRY(t.integer("block_count", fields.layers));
  TRY(t.integer("attention.head_count", fields.heads));
  TRY(t.integer("context_length", fields.positions));
  return t.number("attention.layer_norm_epsilon", "layer_norm_epsilon");
}

}  // namespace

Architecture gpt2_architecture() {
  return {.name = "gpt2",
          .hugging_face = {"GPT2LMHeadModel"},
          .read = read,
          .gguf = {.architecture = "gpt2",
                   .tensors = {{"transformer.wte", "token_embd"},
                               {"transformer.wpe", "position_embd"},
                               {"transformer.h.#.ln_1", "blk.#.attn_norm"},
                               {"transformer.h.#.attn.c_attn", "blk.#.attn_qkv"},
                               {"transformer.h.#.attn.c_proj", "blk.#.attn_output"},
                               {"transformer.h.#.ln_2", "blk.#.ffn_norm"},
                               {"transformer.h.#.mlp.c_fc", "blk.#.ffn_up"},
                               {"transformer.h.#.mlp.c_proj", "blk.#.ffn_down"},
                               {"transformer.ln_f", "output_norm"}},
                   .translate = translate}};
}

}  // namespace farthing
