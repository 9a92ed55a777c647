// Gemma 1.
#include "model/architectures/gemma_blocks.h"
#include "model/model.h"

namespace farthing {

Architecture gemma_architecture() {
  return {.name = "gemma", .hugging_face = {"GemmaForCausalLM"}, .read = gemma_blocks, .gguf = {}};
}

}  // namespace farthing
