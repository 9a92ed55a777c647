// Gemma 1.
#include "model/blocks/gemma_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {

Architecture gemma_architecture() {
  return {.name = "gemma",
          .hugging_face = {"GemmaForCausalLM"},
          .read = gemma_blocks,
          .gguf = {.architecture = "gemma",
                   .gains_with_one = true,
                   .translate = [](GgufTranslation& t) { return t.llama(); }}};
}

}  // namespace farthing
