// The plan of Llama's blocks, which most later decoders vary: pre-norm attention with rotary
// positions and a gated MLP, named as Llama names them.
#pragma once

#include "model/architectures/sizes.h"

namespace farthing {

// config.json's rms_norm_eps, hidden_act, attention_bias, mlp_bias, tie_word_embeddings and rope
// fields are read; an architecture then changes what it does otherwise.
Result<ModelConfig> llama_blocks(const JsonObject& json);

}  // namespace farthing
