// Gemma 2: norms before and after, soft caps, and a window in every other layer.
#include "model/architectures/gemma_blocks.h"
#include "model/model.h"

namespace farthing {
namespace {

Result<ModelConfig> read(const JsonObject& json) {
  return gemma_blocks_between_norms(json, 256, [](int64_t layer) { return layer % 2 == 0; });
}

}  // namespace

Architecture gemma2_architecture() {
  return {.name = "gemma2", .hugging_face = {"Gemma2ForCausalLM"}, .read = read, .gguf = {}};
}

}  // namespace farthing
