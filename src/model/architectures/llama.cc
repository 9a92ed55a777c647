// Llama 1 to 3.3, SmolLM, and all others that name this architecture: pre-norm blocks of
// grouped-query attention with rotary positions, and a SwiGLU MLP.
#include "model/blocks/llama_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {

namespace {

Result<> translate(GgufTranslation& t) {
  TRY(t.llama());
  t.json().field("attention_bias", t.has_tensor("blk.0.attn_q.bias"));
  t.json().field("mlp_bias", t.has_tensor("blk.0.ffn_gate.bias"));
  return {};
}

}  // namespace

Architecture llama_architecture() {
  return {.name = "llama",
          .hugging_face = {"LlamaForCausalLM"},
          .read = [](const JsonObject& json) { return llama_blocks(json); },
          .gguf = {.architecture = "llama", .interleaved_rope = true, .translate = translate}};
}

}  // namespace farthing
