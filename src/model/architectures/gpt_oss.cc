// gpt-oss: experts with a clamped SwiGLU, sinks in the softmax, and a window in every other layer.
#include <fmt/format.h>

#include <cmath>

#include "model/blocks/llama_blocks.h"
#include "model/gguf/translation.h"
#include "model/model.h"

namespace farthing {
namespace {

constexpr int64_t most_experts = 1024;

// GGUF files hold gate and up apart.
MlpPlan split_expert(const ModelConfig& c, const std::string& prefix, int64_t index,
                     ops::ClampedSwiglu clamped) {
  const std::string expert = fmt::format("{}experts.{}.", prefix, index);
  MlpPlan out = gated_mlp(c.hidden_size, c.intermediate_size, expert + "gate_proj",
                          expert + "up_proj", expert + "down_proj");
  for (LinearPlan& linear : out.inputs) linear.bias = true;
  out.down.bias = true;
  out.clamped = clamped;
  return out;
}

// Hugging Face's files hold all experts of a layer in one tensor [experts, k, n], gate and up in
// turn.
MlpPlan expert_of(const ModelConfig& c, const std::string& prefix, int64_t index,
                  ops::ClampedSwiglu clamped) {
  const int64_t inner = c.intermediate_size;
  const auto linear = [&](const char* name, int64_t n, int64_t k) {
    LinearPlan out{fmt::format("{}experts.{}.{}", prefix, index, name), n, k, true};
    out.transposed = true;
    out.stack = fmt::format("{}experts.{}", prefix, name);
    out.stack_bias = out.stack + "_bias";
    out.in_stack = index;
    return out;
  };
  MlpPlan out;
  out.inputs = {linear("gate_up_proj", 2 * inner, c.hidden_size)};
  out.gate = {0, 0, 1, 2, inner};
  out.up = {0, 1, 1, 2, inner};
  out.clamped = clamped;
  out.down = linear("down_proj", c.hidden_size, inner);
  out.down.to_residual = true;
  return out;
}

Result<ModelConfig> read(const JsonObject& json) {
  ModelConfig c = TRY(llama_blocks(json, {.theta = 150000.0}));
  const auto windows =
      TRY(windows_from_json(json, c.layers, [](int64_t layer) { return layer % 2 == 0; }));
  const int64_t count = TRY(count_from_json(json, "num_local_experts", most_experts));
  const int64_t chosen = TRY(count_from_json(json, "num_experts_per_tok", count));
  const ops::ClampedSwiglu clamped{static_cast<float>(TRY(json.number("swiglu_alpha", 1.702))),
                                   static_cast<float>(TRY(json.number("swiglu_limit", 7.0)))};
  TRY(refuse_unless(clamped.limit > 0, json, "swiglu_limit", fmt::format("{}", clamped.limit),
                    "more than 0"));
  const bool split = TRY(json.boolean("split_gate_up", false));  // of a translated GGUF file
  for (size_t i = 0; i < c.plan.blocks.size(); ++i) {
    const std::string prefix = fmt::format("model.layers.{}.mlp.", i);
    BlockPlan& block = c.plan.blocks[i];
    block.attention.window = windows[i];
    block.attention.sinks = fmt::format("model.layers.{}.self_attn.sinks", i);
    ExpertsPlan& experts = block.experts;
    experts.router = {prefix + "router", count, c.hidden_size, true};
    experts.router.keeps_precision = true;
    experts.routing = {chosen, true};
    for (int64_t e = 0; e < count; ++e)
      experts.experts.push_back(split ? split_expert(c, prefix, e, clamped)
                                      : expert_of(c, prefix, e, clamped));
  }
  return c;
}

Result<> translate(GgufTranslation& t) {
  t.set_yarn_truncates(false);
  TRY(t.llama());
  TRY(t.experts("num_local_experts"));
  t.json().field("attention_bias", t.has_tensor("blk.0.attn_q.bias"));
  t.json().field("split_gate_up", true);
  return t.integer("attention.sliding_window", "sliding_window");
}

}  // namespace

Architecture gpt_oss_architecture() {
  return {
      .name = "gpt_oss",
      .hugging_face = {"GptOssForCausalLM"},
      .read = read,
      .gguf = {.architecture = "gpt-oss",
               .experts = true,
               .tensors = {{"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"},
                           {"model.layers.#.self_attn.sinks", "blk.#.attn_sinks.weight"},
                           {"model.layers.#.mlp.router", "blk.#.ffn_gate_inp"}},
               .translate = translate}};
}

}  // namespace farthing
