// Gemma 3 (text): norms of heads, and five layers with a window and angles of their own for each
// layer without.
#include <fmt/format.h>

#include "model/blocks/gemma_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

Result<ModelConfig> read(const JsonObject& json) {
  const int64_t period = TRY(json.integer("sliding_window_pattern", 6));
  TRY(refuse_unless(period >= 1, json, "sliding_window_pattern", std::to_string(period),
                    "1 or more"));
  ModelConfig c = TRY(gemma_blocks_between_norms(
      json, 256, [&](int64_t layer) { return (layer + 1) % period != 0; }));
  RopeParameters everywhere = TRY(rope_from_json(json, 1e6, "full_attention"));
  RopeParameters local;
  if (json.has("rope_parameters") && !json.is_null("rope_parameters")) {
    local = TRY(rope_from_json(json, 1e4, "sliding_attention"));
  } else {
    local.theta = TRY(json.number("rope_local_base_freq", 1e4));
  }
  c.plan.ropes = {{everywhere, c.head_dim}, {local, c.head_dim}};
  for (size_t i = 0; i < c.plan.blocks.size(); ++i) {
    AttentionPlan& attention = c.plan.blocks[i].attention;
    const std::string prefix = fmt::format("model.layers.{}.self_attn.", i);
    const float epsilon = c.plan.final_norm.epsilon;
    attention.q_norm = {prefix + "q_norm", c.head_dim, epsilon, NormKind::rms_one_plus};
    attention.k_norm = {prefix + "k_norm", c.head_dim, epsilon, NormKind::rms_one_plus};
    attention.rope = attention.window != 0 ? 1 : 0;
  }
  return c;
}

Result<> translate(GgufTranslation& t) {
  TRY(translate_gemma(t, 62));
  return t.number("rope.freq_base_swa", "rope_local_base_freq", 1e4);
}

}  // namespace

Architecture gemma3_architecture() {
  return {.name = "gemma3_text",
          .hugging_face = {"Gemma3ForCausalLM"},
          .read = read,
          .gguf = {.architecture = "gemma3",
                   .tensors = gemma_norm_names(),
                   .gains_with_one = true,
                   .translate = translate}};
}

}  // namespace farthing
