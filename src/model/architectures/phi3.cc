// Phi 3 and 4: Llama's blocks with q, k and v in one linear, gate and up in another.
#include <fmt/format.h>

#include "model/architectures/llama_blocks.h"
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

}  // namespace

Architecture phi3_architecture() {
  return {.name = "phi3", .hugging_face = {"Phi3ForCausalLM"}, .read = read, .gguf = {}};
}

}  // namespace farthing
