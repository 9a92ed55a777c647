// Gemma's blocks from its config.json.
#include "model/blocks/gemma_blocks.h"

#include <fmt/format.h>

#include <cmath>

namespace farthing {
namespace {

Result<float> softcap(const JsonObject& json, const char* field) {
  const double cap = TRY(json.number(field, 0.0));
  if (cap >= 0 && cap < 1e6) return static_cast<float>(cap);
  return fail({.what = "a constant in the model's configuration makes no sense",
               .where = fmt::format("{}, field {}", json.where(), field),
               .got = fmt::format("{}", cap),
               .wanted = "0 (none) to 1e6",
               .remedy = "check this field"});
}

}  // namespace

Result<ModelConfig> gemma_blocks(const JsonObject& json) {
  // hidden_activation overrules the hidden_act of the first configurations
  const bool later = json.has("hidden_activation") && !json.is_null("hidden_activation");
  ModelConfig c =
      TRY(llama_blocks(json, {.activation = "gelu_pytorch_tanh",
                              .activation_field = later ? "hidden_activation" : "hidden_act",
                              .tied = true}));
  c.plan.embedding_scale = std::sqrt(static_cast<float>(c.hidden_size));
  c.plan.final_norm.kind = NormKind::rms_one_plus;
  for (BlockPlan& block : c.plan.blocks) {
    block.attention_norm.kind = block.mlp_norm.kind = NormKind::rms_one_plus;
    // the first configurations say "gelu" and mean its form with tanh
    if (block.mlp.function == ActivationFunction::gelu)
      block.mlp.function = ActivationFunction::gelu_tanh;
  }
  return c;
}

Result<ModelConfig> gemma_blocks_between_norms(const JsonObject& json, double query_scalar,
                                               const std::function<bool(int64_t)>& slides) {
  ModelConfig c = TRY(gemma_blocks(json));
  const double scalar = TRY(json.number("query_pre_attn_scalar", query_scalar));
  if (!(scalar > 0)) {
    return fail({.what = "a constant in the model's configuration makes no sense",
                 .where = json.where() + ", field query_pre_attn_scalar",
                 .got = fmt::format("{}", scalar),
                 .wanted = "more than 0",
                 .remedy = "check this field"});
  }
  const float cap = TRY(softcap(json, "attn_logit_softcapping"));
  c.plan.logit_softcap = TRY(softcap(json, "final_logit_softcapping"));
  const auto windows = TRY(windows_from_json(json, c.layers, slides));
  for (size_t i = 0; i < c.plan.blocks.size(); ++i) {
    BlockPlan& block = c.plan.blocks[i];
    block.after_attention = block.mlp_norm;  // post_attention_layernorm
    block.mlp_norm.name = fmt::format("model.layers.{}.pre_feedforward_layernorm", i);
    block.after_mlp = block.mlp_norm;
    block.after_mlp.name = fmt::format("model.layers.{}.post_feedforward_layernorm", i);
    block.attention.scale = static_cast<float>(1.0 / std::sqrt(scalar));
    block.attention.softcap = cap;
    block.attention.window = windows[i];
  }
  return c;
}

TensorNames gemma_norm_names() {
  return {{"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"},
          {"model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"},
          {"model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"}};
}

Result<> translate_gemma(GgufTranslation& t, int64_t layers_of_largest) {
  TRY(t.llama());
  TRY(t.number("attn_logit_softcapping", "attn_logit_softcapping", 0.0));
  TRY(t.number("final_logit_softcapping", "final_logit_softcapping", 0.0));
  TRY(t.integer("attention.sliding_window", "sliding_window"));
  const int64_t heads = TRY(t.value("attention.head_count"));
  const bool largest = heads > 0 && TRY(t.value("block_count")) == layers_of_largest;
  t.json().field("query_pre_attn_scalar", largest ? TRY(t.value("embedding_length")) / heads
                                                  : TRY(t.value("attention.key_length")));
  return {};
}

}  // namespace farthing
