// Phi 3 and 4: Llama's blocks with q, k and v in one linear, gate and up in another.
#include <fmt/format.h>

#include "model/blocks/llama_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

Result<ModelConfig> read(const JsonObject& json) {
  ModelConfig c = TRY(llama_blocks(json));
  c.plan.ropes[0].rotary_dim = TRY(rotary_dim_from_json(json, c.head_dim));
  const auto windows = TRY(windows_from_json(json, c.layers, [](int64_t) { return true; }));
  const int64_t q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  for (size_t i = 0; i < c.plan.blocks.size(); ++i) {
    const std::string prefix = fmt::format("model.layers.{}.", i);
    AttentionPlan& attention = c.plan.blocks[i].attention;
    attention.inputs = {{prefix + "self_attn.qkv_proj", q + 2 * kv, c.hidden_size}};
    attention.q = ColumnsPlan::block(0, 0, q);
    attention.k = ColumnsPlan::block(0, q, kv);
    attention.v = ColumnsPlan::block(0, q + kv, kv);
    attention.window = windows[i];
    MlpPlan& mlp = c.plan.blocks[i].mlp;
    const int64_t inner = c.intermediate_size;
    mlp.inputs = {{prefix + "mlp.gate_up_proj", 2 * inner, c.hidden_size}};
    mlp.gate = ColumnsPlan::block(0, 0, inner);
    mlp.up = ColumnsPlan::block(0, inner, inner);
  }
  return c;
}

Result<> translate(GgufTranslation& t) {
  TRY(t.llama());
  const int64_t heads = TRY(t.value("attention.head_count"));
  const int64_t dim = heads > 0 ? TRY(t.value("embedding_length")) / heads : 0;
  const int64_t rotated =
      t.has("rope.dimension_count") ? TRY(t.value("rope.dimension_count")) : dim;
  if (dim > 0)
    t.json().field("partial_rotary_factor",
                   static_cast<double>(rotated) / static_cast<double>(dim));
  const int64_t window =
      t.has("attention.sliding_window") ? TRY(t.value("attention.sliding_window")) : 0;
  if (window != 0) t.json().field("sliding_window", window);
  return {};
}

}  // namespace

Architecture phi3_architecture() {
  return {.name = "phi3",
          .hugging_face = {"Phi3ForCausalLM"},
          .read = read,
          .gguf = {.architecture = "phi3",
                   .tensors = {{"model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv"},
                               {"model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up"}},
                   .translate = translate}};
}

}  // namespace farthing
