// Sizes that every decoder has, read from config.json and checked, so that later code may multiply
// and allocate by them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/json.h"
#include "model/config.h"

namespace farthing {

// What config.json calls them.
struct SizeFields {
  const char* hidden = "hidden_size";
  const char* inner = "intermediate_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* kv_heads = "num_key_value_heads";  // absent: as many as heads
  const char* head_dim = "head_dim";             // absent: hidden / heads
  const char* positions = "max_position_embeddings";
};

struct DecoderSizes {
  int64_t hidden, inner, layers, heads, kv_heads, head_dim, vocabulary, positions;
};

// Fails where a size is missing, or makes no sense. `inner` absent: `otherwise_inner` times hidden.
Result<DecoderSizes> sizes_from_json(const JsonObject& json, const SizeFields& fields = {},
                                     int64_t otherwise_inner = 0);

// A configuration without its plan.
Result<ModelConfig> config_of_sizes(const JsonObject& json, const DecoderSizes& sizes);

// The token ids of a field that is one id, a list of them, or not there.
Result<std::vector<int32_t>> tokens_from_json(const JsonObject& json, const std::string& field);

// A count of experts and the like: 1 to `most`.
Result<int64_t> count_from_json(const JsonObject& json, const char* field, int64_t most);

// Constants, within reason.
Result<float> epsilon_from_json(const JsonObject& json, const char* field, double otherwise);
// rope_theta and rope_scaling, or transformers 5's rope_parameters; with `layers`, that one's part
// of it ("sliding_attention").
Result<RopeParameters> rope_from_json(const JsonObject& json, double otherwise_theta = 10000.0,
                                      std::string_view layers = {});
// DeepSeek's factor of the scores where YaRN stretches positions: mscale squared, mscale of
// mscale_all_dim; else 1.
Result<double> yarn_score_factor_from_json(const JsonObject& json);
// Of each head: partial_rotary_factor, there or under `field`.
Result<int64_t> rotary_dim_from_json(const JsonObject& json, int64_t head_dim,
                                     const char* field = "partial_rotary_factor");
Result<ActivationFunction> activation_function_from_json(const JsonObject& json, const char* field,
                                                         std::string otherwise);

// How many keys each layer's tokens see (0: all): sliding_window, for the layers that layer_types
// names, or without it for those that `otherwise` picks.
Result<std::vector<int64_t>> windows_from_json(const JsonObject& json, int64_t layers,
                                               const std::function<bool(int64_t)>& otherwise);

// Fails and says that a variant is not supported, unless `fine`.
Result<> refuse_unless(bool fine, const JsonObject& json, std::string_view field, std::string got,
                       std::string wanted);

}  // namespace farthing
