// The plan of Llama's blocks, which most later decoders vary: pre-norm attention with rotary
// positions and a gated MLP, named as Llama names them.
#pragma once

#include "model/blocks/sizes.h"

namespace farthing {

// What an architecture takes for granted where config.json is silent.
struct LlamaDefaults {
  std::string activation = "silu";
  const char* activation_field = "hidden_act";
  bool tied = false;
  double theta = 10000.0;
  SizeFields sizes = {};
};

// config.json's sizes, rms_norm_eps, activation, attention_bias, mlp_bias, tie_word_embeddings and
// rope fields are read; an architecture then changes what it does otherwise.
Result<ModelConfig> llama_blocks(const JsonObject& json, const LlamaDefaults& defaults = {});

// An MLP with a gate from three linears, whose names these are.
MlpPlan gated_mlp(int64_t hidden, int64_t inner, const std::string& gate, const std::string& up,
                  const std::string& down);

}  // namespace farthing
