// Names of GGUF for what Hugging Face's directories call otherwise.
#pragma once

#include <string>

#include "model/model.h"

namespace farthing {

// The architecture of a GGUF file's general.architecture; null where it is unknown.
const Architecture* find_gguf_architecture(std::string_view name);
std::string known_gguf_architectures();

// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"
std::string gguf_tensor_name(const Architecture& architecture, const std::string& name);

}  // namespace farthing
