// What the generations of Gemma share over Llama's blocks.
#pragma once

#include "model/blocks/llama_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {

// Norms of 1 + gain, tanh GELU, embeddings times sqrt(hidden size), a tied head.
Result<ModelConfig> gemma_blocks(const JsonObject& json);

// Gemma 2 and 3: a norm behind attention and MLP too, scores scaled by query_pre_attn_scalar, soft
// caps, and windows where `slides` says so.
Result<ModelConfig> gemma_blocks_between_norms(const JsonObject& json, double query_scalar,
                                               const std::function<bool(int64_t)>& slides);

// GGUF's names of these norms.
TensorNames gemma_norm_names();
// Their fields from GGUF metadata. The largest model alone scales by hidden size / heads, which
// GGUF does not say; it has `layers_of_largest`.
Result<> translate_gemma(GgufTranslation& t, int64_t layers_of_largest);

}  // namespace farthing
