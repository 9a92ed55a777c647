// Names of GGUF for what Hugging Face's directories call otherwise.
#pragma once

#include <optional>
#include <string>

#include "model/model.h"

namespace farthing {

// The architecture of a GGUF file's general.architecture, with or without experts, which are chosen
// by a softmax or by sigmoids; null where it is unknown.
const Architecture* find_gguf_architecture(std::string_view name, bool experts, bool sigmoid);
std::string known_gguf_architectures();

// Where a GGUF file holds a tensor.
struct GgufPlace {
  std::string name;
  std::optional<int64_t> expert;  // it is that part of a tensor of all experts [experts, n, k]
};

// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight";
// "model.layers.3.mlp.experts.5.up_proj.weight" -> "blk.3.ffn_up_exps.weight", 5
GgufPlace gguf_place(const Architecture& architecture, const std::string& name);

}  // namespace farthing
