// Qwen 3 with experts: Qwen 3's blocks; layers that mlp_only_layers names or decoder_sparse_step
// skips keep their MLP.
#include <fmt/format.h>

#include <algorithm>

#include "model/blocks/qwen3_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

constexpr int64_t most_experts = 1024;

Result<ModelConfig> read(const JsonObject& json) {
  ModelConfig c = TRY(qwen3_blocks(json));
  // transformers 5 writes num_local_experts
  const char* const field = json.has("num_experts") ? "num_experts" : "num_local_experts";
  const int64_t count = TRY(count_from_json(json, field, most_experts));
  const int64_t chosen = TRY(count_from_json(json, "num_experts_per_tok", count));
  const int64_t inner = TRY(count_from_json(json, "moe_intermediate_size", 1 << 20));
  const bool renormalize = TRY(json.boolean("norm_topk_prob", false));
  const int64_t step = TRY(json.integer("decoder_sparse_step", 1));
  TRY(refuse_unless(step >= 1, json, "decoder_sparse_step", std::to_string(step), "1 or more"));
  std::vector<int64_t> dense;
  if (json.has("mlp_only_layers") && !json.is_null("mlp_only_layers"))
    dense = TRY(json.integers("mlp_only_layers"));
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    if ((layer + 1) % step != 0 || std::find(dense.begin(), dense.end(), layer) != dense.end())
      continue;
    const std::string prefix = fmt::format("model.layers.{}.mlp.", layer);
    BlockPlan& block = c.plan.blocks[static_cast<size_t>(layer)];
    ExpertsPlan& experts = block.experts;
    experts.router = {prefix + "gate", count, c.hidden_size};
    experts.router.keeps_precision = true;
    experts.routing = {chosen, renormalize};
    for (int64_t e = 0; e < count; ++e) {
      const std::string name = fmt::format("{}experts.{}.", prefix, e);
      experts.experts.push_back(gated_mlp(c.hidden_size, inner, name + "gate_proj",
                                          name + "up_proj", name + "down_proj"));
      experts.experts.back().function = block.mlp.function;
    }
  }
  return c;
}

// The key of norm_topk_prob is missing in GGUF: llama.cpp renormalizes, as all released models do.
Result<> translate(GgufTranslation& t) {
  TRY(t.llama());
  TRY(t.experts("num_experts"));
  t.json().field("norm_topk_prob", true);
  return t.integer("expert_feed_forward_length", "moe_intermediate_size");
}

}  // namespace

Architecture qwen3_moe_architecture() {
  return {.name = "qwen3_moe",
          .hugging_face = {"Qwen3MoeForCausalLM"},
          .read = read,
          .gguf = {.architecture = "qwen3moe", .experts = true, .translate = translate}};
}

}  // namespace farthing
