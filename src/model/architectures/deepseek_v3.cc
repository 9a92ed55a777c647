// DeepSeek V3, R1 and V3.1: latent attention; experts by their sigmoid, chosen with a bias from the
// groups whose best two are best. The layer that predicts a second token is not read.
#include "model/blocks/deepseek_blocks.h"

namespace farthing {
namespace {

Result<ops::RoutingOptions> routing(const JsonObject& json, int64_t experts) {
  ops::RoutingOptions out;
  out.scores = ops::ExpertScores::sigmoid;
  out.renormalize = TRY(json.boolean("norm_topk_prob", true));
  out.factor = static_cast<float>(TRY(json.number("routed_scaling_factor", 2.5)));
  out.best_of_group = 2;
  const std::string method = TRY(json.string("topk_method", "noaux_tc"));
  TRY(refuse_unless(method == "noaux_tc", json, "topk_method", method, "noaux_tc"));
  TRY(expert_groups_from_json(json, experts, out));
  return out;
}

Result<ModelConfig> read(const JsonObject& json) {
  return deepseek_blocks(
      json, {.dense_layers = 3, .scoring = "sigmoid", .choice_bias = true, .routing = routing});
}

}  // namespace

Architecture deepseek_v3_architecture() {
  return {.name = "deepseek_v3",
          .hugging_face = {"DeepseekV3ForCausalLM"},
          .read = read,
          .gguf = deepseek_gguf(/*v3=*/true)};
}

}  // namespace farthing
