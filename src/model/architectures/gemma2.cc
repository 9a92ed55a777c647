// Gemma 2: norms before and after, soft caps, and a window in every other layer.
#include "model/blocks/gemma_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

Result<ModelConfig> read(const JsonObject& json) {
  return gemma_blocks_between_norms(json, 256, [](int64_t layer) { return layer % 2 == 0; });
}

}  // namespace

Architecture gemma2_architecture() {
  return {.name = "gemma2",
          .hugging_face = {"Gemma2ForCausalLM"},
          .read = read,
          .gguf = {.architecture = "gemma2",
                   .tensors = gemma_norm_names(),
                   .gains_with_one = true,
                   .translate = [](GgufTranslation& t) { return translate_gemma(t, 46); }}};
}

}  // namespace farthing
