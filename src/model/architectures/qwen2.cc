// Qwen 2 and 2.5: Llama's blocks with biases of q, k and v, and a window in the layers from
// max_window_layers on where use_sliding_window asks for it.
#include "model/blocks/llama_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

Result<ModelConfig> read(const JsonObject& json) {
  ModelConfig c = TRY(llama_blocks(json));
  for (BlockPlan& block : c.plan.blocks)
    for (LinearPlan& linear : block.attention.inputs) linear.bias = true;
  if (!TRY(json.boolean("use_sliding_window", false))) return c;
  const int64_t first = TRY(json.integer("max_window_layers", 28));
  const auto windows =
      TRY(windows_from_json(json, c.layers, [&](int64_t layer) { return layer >= first; }));
  for (size_t i = 0; i < windows.size(); ++i) c.plan.blocks[i].attention.window = windows[i];
  return c;
}

}  // namespace

Architecture qwen2_architecture() {
  return {
      .name = "qwen2",
      .hugging_face = {"Qwen2ForCausalLM"},
      .read = read,
      .gguf = {.architecture = "qwen2", .translate = [](GgufTranslation& t) { return t.llama(); }}};
}

}  // namespace farthing
