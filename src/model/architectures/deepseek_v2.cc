// DeepSeek V2 and V2 Lite: latent attention; experts by their softmax, V2's from the best groups.
#include "model/blocks/deepseek_blocks.h"

namespace farthing {
namespace {

Result<ops::RoutingOptions> routing(const JsonObject& json, int64_t experts) {
  ops::RoutingOptions out;
  const bool renormalize = TRY(json.boolean("norm_topk_prob", false));
  TRY(refuse_unless(!renormalize, json, "norm_topk_prob", "true", "false"));
  out.factor = static_cast<float>(TRY(json.number("routed_scaling_factor", 1.0)));
  const std::string method = TRY(json.string("topk_method", "greedy"));
  if (method == "greedy") return out;
  TRY(refuse_unless(method == "group_limited_greedy", json, "topk_method", method,
                    "greedy or group_limited_greedy"));
  TRY(expert_groups_from_json(json, experts, out));
  return out;
}

Result<ModelConfig> read(const JsonObject& json) {
  return deepseek_blocks(json, {.scoring = "softmax", .routing = routing});
}

}  // namespace

Architecture deepseek_v2_architecture() {
  return {.name = "deepseek_v2",
          .hugging_face = {"DeepseekV2ForCausalLM"},
          .read = read,
          .gguf = deepseek_gguf(/*v3=*/false)};
}

}  // namespace farthing
