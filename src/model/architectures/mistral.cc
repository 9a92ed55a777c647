// Mistral: Llama's blocks, and in the first models a window over the last 4096 tokens.
#include "model/blocks/llama_blocks.h"
#include "model/model.h"

namespace farthing {
namespace {

Result<ModelConfig> read(const JsonObject& json) {
  ModelConfig c = TRY(llama_blocks(json));
  const auto windows = TRY(windows_from_json(json, c.layers, [](int64_t) { return true; }));
  for (size_t i = 0; i < windows.size(); ++i) c.plan.blocks[i].attention.window = windows[i];
  return c;
}

}  // namespace

// In GGUF it calls itself llama, and has no window there.
Architecture mistral_architecture() {
  return {.name = "mistral", .hugging_face = {"MistralForCausalLM"}, .read = read, .gguf = {}};
}

}  // namespace farthing
