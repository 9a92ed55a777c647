// A model that is large beside the program itself, for tests of how much memory the program takes.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "apps/support/program.h"
#include "io/safetensors/safetensors.h"

namespace farthing::testing {

// A Llama in bf16 with the tokenizer of the small model: 63 million weights, 127 MB, in ten layers.
inline void write_larger_model(const std::filesystem::path& folder, int64_t layers = 10) {
  constexpr int64_t hidden = 768, inner = 2048, kv = 256, vocabulary = 512;
  std::vector<std::pair<std::string, Tensor>> tensors;
  const auto add = [&](const std::string& name, Shape shape) {
    Tensor tensor(DType::bf16, shape);
    const bool gain = shape.rank() == 1;
    // some spread; their values do not matter
    for (int64_t i = 0; i < shape.elements(); ++i)
      tensor.as<uint16_t>()[i] =
          bf16_from_f32(gain ? 1.0f : static_cast<float>(i * 7919 % 1009 - 504) * (1.0f / 16384));
    tensors.emplace_back(name, std::move(tensor));
  };
  add("model.embed_tokens.weight", {vocabulary, hidden});
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    add(prefix + "self_attn.q_proj.weight", {hidden, hidden});
    add(prefix + "self_attn.k_proj.weight", {kv, hidden});
    add(prefix + "self_attn.v_proj.weight", {kv, hidden});
    add(prefix + "self_attn.o_proj.weight", {hidden, hidden});
    add(prefix + "mlp.gate_proj.weight", {inner, hidden});
    add(prefix + "mlp.up_proj.weight", {inner, hidden});
    add(prefix + "mlp.down_proj.weight", {hidden, inner});
    add(prefix + "input_layernorm.weight", {hidden});
    add(prefix + "post_attention_layernorm.weight", {hidden});
  }
  add("model.norm.weight", {hidden});
  std::filesystem::create_directories(folder);
  const auto written = write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
  ASSERT_TRUE(written.has_value()) << written.error().text();
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(std::filesystem::path(stories()) / name, folder / name);
  std::ofstream(folder / "config.json")
      << R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 768, "intermediate_size": 2048,
             "num_attention_heads": 12, "num_key_value_heads": 4,
             "head_dim": 64, "vocab_size": 512, "max_position_embeddings": 4096,
             "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
             "num_hidden_layers": )"
      << layers << "}";
}

}  // namespace farthing::testing
