// Mixtral: Mistral's blocks whose MLPs are experts, two of which a token goes to.
#include <fmt/format.h>

#include "model/blocks/llama_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

constexpr int64_t most_experts = 1024;

Result<ModelConfig> read(const JsonObject& json) {
  ModelConfig c = TRY(llama_blocks(json));
  const auto windows = TRY(windows_from_json(json, c.layers, [](int64_t) { return true; }));
  const int64_t count = TRY(count_from_json(json, "num_local_experts", most_experts));
  const int64_t chosen = TRY(count_from_json(json, "num_experts_per_tok", count));
  for (size_t i = 0; i < c.plan.blocks.size(); ++i) {
    const std::string prefix = fmt::format("model.layers.{}.block_sparse_moe.", i);
    BlockPlan& block = c.plan.blocks[i];
    block.attention.window = windows[i];
    ExpertsPlan& experts = block.experts;
    experts.router = {prefix + "gate", count, c.hidden_size};
    experts.router.keeps_precision = true;
    experts.routing = {chosen, true};
    for (int64_t e = 0; e < count; ++e) {
      const std::string name = fmt::format("{}experts.{}.", prefix, e);
      experts.experts.push_back(
          gated_mlp(c.hidden_size, c.intermediate_size, name + "w1", name + "w3", name + "w2"));
      experts.experts.back().function = block.mlp.function;
    }
  }
  return c;
}

Result<> translate(GgufTranslation& t) {
  TRY(t.llama());
  return t.experts("num_local_experts");
}

}  // namespace

Architecture mixtral_architecture() {
  return {
      .name = "mixtral",
      .hugging_face = {"MixtralForCausalLM"},
      .read = read,
      .gguf = {.architecture = "llama",
               .experts = true,
               .tensors = {{"model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp"},
                           {"model.layers.#.block_sparse_moe.experts.#.w1", "blk.#.ffn_gate_exps"},
                           {"model.layers.#.block_sparse_moe.experts.#.w2", "blk.#.ffn_down_exps"},
                           {"model.layers.#.block_sparse_moe.experts.#.w3", "blk.#.ffn_up_exps"}},
               .interleaved_rope = true,
               .translate = translate}};
}

}  // namespace farthing
