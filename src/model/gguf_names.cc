// Tables of names that GGUF files use.
#include "model/gguf_names.h"

#include <fmt/format.h>

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
};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

const Architecture* find_gguf_architecture(std::string_view name) {
  for (const Architecture& architecture : all_architectures())
    if (!name.empty() && architecture.gguf.architecture == name) return &architecture;
  return nullptr;
}

std::string known_gguf_architectures() {
  std::string out;
  for (const Architecture& architecture : all_architectures())
    if (const std::string_view name = architecture.gguf.architecture; !name.empty())
      out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

std::string gguf_tensor_name(const Architecture& architecture, const std::string& name) {
  // the block's number is the one part of a name that is a number
  std::string pattern, number;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (number.empty() && is_number(part)) number = part;
    pattern += (begin == 0 ? "" : ".") + (is_number(part) ? "#" : part);
    begin = end + 1;
  }
  const auto dot = pattern.rfind('.');
  const std::string stem = pattern.substr(0, dot), suffix = pattern.substr(dot);
  const auto find = [&](const auto& names) -> std::string {
    for (const auto& [ours, theirs] : names) {
      if (stem != ours) continue;
      std::string out(theirs);
      if (const auto at = out.find('#'); at != std::string::npos) out.replace(at, 1, number);
      return out + suffix;
    }
    return {};
  };
  for (const std::string& found : {find(architecture.gguf.tensors), find(llama_names)})
    if (!found.empty()) return found;
  CHECK(!"a tensor name that GGUF has");
  return {};
}

}  // namespace farthing
