// OPT: learned positions that begin at row 2, and ReLU.
#include <fmt/format.h>

#include "model/blocks/plain_blocks.h"
#include "model/model.h"

namespace farthing {
namespace {

constexpr SizeFields fields{.inner = "ffn_dim", .kv_heads = "num_attention_heads"};
constexpr int64_t rows_before_positions = 2;

Result<ModelConfig> read(const JsonObject& json) {
  for (const char* field : {"do_layer_norm_before", "enable_bias", "layer_norm_elementwise_affine"})
    TRY(refuse_unless(TRY(json.boolean(field, true)), json, field, "false", "true"));
  TRY(refuse_unless(!TRY(json.boolean("_remove_final_layer_norm", false)), json,
                    "_remove_final_layer_norm", "true", "false"));
  const DecoderSizes s = TRY(sizes_from_json(json, fields));
  const int64_t width = TRY(json.integer("word_embed_proj_dim", s.hidden));
  TRY(refuse_unless(width == s.hidden, json, "word_embed_proj_dim", std::to_string(width),
                    fmt::format("hidden_size, {}", s.hidden)));
  const auto function = TRY(activation_function_from_json(json, "activation_function", "relu"));
  const float epsilon = 1e-5f;
  ModelConfig c = TRY(config_of_sizes(json, s));
  DecoderPlan& plan = c.plan;
  plan.embedding = {"model.decoder.embed_tokens", s.vocabulary, s.hidden};
  plan.positions = {"model.decoder.embed_positions", s.positions + rows_before_positions, s.hidden};
  plan.first_position = rows_before_positions;
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string prefix = fmt::format("model.decoder.layers.{}.", layer);
    BlockPlan block = plain_block(
        s, prefix, {"self_attn_layer_norm", "final_layer_norm", "self_attn.out_proj", "fc1", "fc2"},
        epsilon, function);
    AttentionPlan& attention = block.attention;
    for (const char* name : {"q_proj", "k_proj", "v_proj"})
      attention.inputs.push_back({prefix + "self_attn." + name, s.hidden, s.hidden, true});
    attention.q = ColumnsPlan::all(0, s.hidden);
    attention.k = ColumnsPlan::all(1, s.hidden);
    attention.v = ColumnsPlan::all(2, s.hidden);
    attention.rope = -1;
    plan.blocks.push_back(std::move(block));
  }
  plan.final_norm = {"model.decoder.final_layer_norm", s.hidden, epsilon, NormKind::layer};
  plan.head = {"lm_head", s.vocabulary, s.hidden};
  if (TRY(json.boolean("tie_word_embeddings", true))) plan.head.name.clear();
  return c;
}

}  // namespace

Architecture opt_architecture() {
  return {.name = "opt", .hugging_face = {"OPTForCausalLM"}, .read = read, .gguf = {}};
}

}  // namespace farthing
