// Tables of names that GGUF files use.
#include "model/gguf/names.h"

#include <fmt/format.h>

#include <array>

namespace farthing {
namespace {

// Those of Llama and of what came after it; "#" stands for the number of the block.
constexpr std::pair<std::string_view, std::string_view> llama_names[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm"},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q"},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k"},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_v"},
    {"model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"},
    {"model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm"},
    {"model.layers.#.self_attn.o_proj", "blk.#.attn_output"},
    {"model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"},
    {"model.layers.#.mlp.gate_proj", "blk.#.ffn_gate"},
    {"model.layers.#.mlp.up_proj", "blk.#.ffn_up"},
    {"model.layers.#.mlp.down_proj", "blk.#.ffn_down"},
    {"model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"},
    {"model.layers.#.mlp.experts.#.gate_proj", "blk.#.ffn_gate_exps"},
    {"model.layers.#.mlp.experts.#.up_proj", "blk.#.ffn_up_exps"},
    {"model.layers.#.mlp.experts.#.down_proj", "blk.#.ffn_down_exps"},
};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

const Architecture* find_gguf_architecture(std::string_view name, bool experts, bool sigmoid) {
  for (const Architecture& architecture : all_architectures()) {
    const GgufNaming& naming = architecture.gguf;
    if (!name.empty() && naming.architecture == name && naming.experts == experts &&
        naming.sigmoid_experts == sigmoid)
      return &architecture;
  }
  return nullptr;
}

std::string known_gguf_architectures() {
  std::string out;
  for (const Architecture& architecture : all_architectures())
    if (const std::string_view name = architecture.gguf.architecture; !name.empty())
      out += fmt::format("{}{}{}{}", out.empty() ? "" : ", ", name,
                         architecture.gguf.experts ? " with experts" : "",
                         architecture.gguf.sigmoid_experts ? " by sigmoids" : "");
  return out;
}

GgufPlace gguf_place(const Architecture& architecture, const std::string& name) {
  // the numbers in a name: the block's and the expert's
  std::string pattern;
  std::vector<std::string> numbers;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (is_number(part)) numbers.push_back(part);
    pattern += (begin == 0 ? "" : ".") + (is_number(part) ? "#" : part);
    begin = end + 1;
  }
  const auto dot = pattern.rfind('.');
  const std::string stem = pattern.substr(0, dot), suffix = pattern.substr(dot);
  const auto find = [&](const auto& names) -> std::string {
    for (const auto& [ours, theirs] : names) {
      if (stem != ours && pattern != ours) continue;
      std::string out(theirs);
      if (const auto at = out.find('#'); at != std::string::npos) out.replace(at, 1, numbers[0]);
      return pattern == ours ? out : out + suffix;
    }
    return {};
  };
  for (std::string& found : std::array{find(architecture.gguf.tensors), find(llama_names)}) {
    if (found.empty()) continue;
    if (numbers.size() < 2) return {std::move(found), std::nullopt};
    return {std::move(found), std::stoll(numbers[1])};
  }
  CHECK(!"a tensor name that GGUF has");
  return {};
}

}  // namespace farthing
