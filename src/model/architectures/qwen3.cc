// Qwen 3: Llama's blocks with an RMS norm over each head of q and k.
#include <fmt/format.h>

#include "model/blocks/qwen3_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {

Result<ModelConfig> qwen3_blocks(const JsonObject& json) {
  ModelConfig c = TRY(llama_blocks(json));
  const bool slides = TRY(json.boolean("use_sliding_window", false));
  const int64_t first = TRY(json.integer("max_window_layers", 28));
  const auto windows = TRY(
      windows_from_json(json, c.layers, [&](int64_t layer) { return slides && layer >= first; }));
  for (size_t i = 0; i < c.plan.blocks.size(); ++i) {
    AttentionPlan& attention = c.plan.blocks[i].attention;
    const std::string prefix = fmt::format("model.layers.{}.self_attn.", i);
    const float epsilon = c.plan.final_norm.epsilon;
    attention.q_norm = {prefix + "q_norm", c.head_dim, epsilon};
    attention.k_norm = {prefix + "k_norm", c.head_dim, epsilon};
    attention.window = windows[i];
  }
  return c;
}

Architecture qwen3_architecture() {
  return {
      .name = "qwen3",
      .hugging_face = {"Qwen3ForCausalLM"},
      .read = qwen3_blocks,
      .gguf = {.architecture = "qwen3", .translate = [](GgufTranslation& t) { return t.llama(); }}};
}

}  // namespace farthing
