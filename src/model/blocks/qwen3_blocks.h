// Blocks of Qwen 3: Llama's with an RMS norm over each head of q and k.
#pragma once

#include "model/blocks/llama_blocks.h"

namespace farthing {

Result<ModelConfig> qwen3_blocks(const JsonObject& json);

}  // namespace farthing
