// The tiny model's tensors, and its two file formats.
#include "model/support/tiny_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/random.h"
#include "io/gguf/gguf.h"
#include "io/safetensors/safetensors.h"

namespace farthing::testing {
namespace {

constexpr int64_t hidden = 32, inner = 64, layers = 2, heads = 4, kv_heads = 2, head_dim = 8,
                  vocabulary = 40;

std::string gguf_name(const std::string& name) {
  static const std::map<std::string, std::string> names = {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"lm_head.weight", "output.weight"},
      {"self_attn.q_proj.weight", "attn_q.weight"},
      {"self_attn.k_proj.weight", "attn_k.weight"},
      {"self_attn.v_proj.weight", "attn_v.weight"},
      {"self_attn.o_proj.weight", "attn_output.weight"},
      {"mlp.gate_proj.weight", "ffn_gate.weight"},
      {"mlp.up_proj.weight", "ffn_up.weight"},
      {"mlp.down_proj.weight", "ffn_down.weight"},
      {"input_layernorm.weight", "attn_norm.weight"},
      {"post_attention_layernorm.weight", "ffn_norm.weight"}};
  if (const auto top = names.find(name); top != names.end()) return top->second;
  const std::string layer = name.substr(13, 1);  // model.layers.N.
  return "blk." + layer + "." + names.at(name.substr(15));
}

// Row 2 j of a GGUF head is row j of a Hugging Face head, row 2 j + 1 is row j + dim / 2.
Tensor interleaved(const Tensor& from) {
  Tensor to(from.dtype(), from.shape());
  const int64_t row = from.bytes() / from.shape()[0];
  for (int64_t n = 0; n < from.shape()[0]; ++n) {
    const int64_t head = n / head_dim, i = n % head_dim;
    const int64_t source = head * head_dim + i / 2 + (i % 2) * head_dim / 2;
    std::memcpy(to.data() + n * row, from.data() + source * row, static_cast<size_t>(row));
  }
  return to;
}

}  // namespace

TinyModel::TinyModel(bool tied) {
  config = {{"architectures", "[\"LlamaForCausalLM\"]"},
            {"hidden_size", "32"},
            {"intermediate_size", "64"},
            {"num_hidden_layers", "2"},
            {"num_attention_heads", "4"},
            {"num_key_value_heads", "2"},
            {"vocab_size", "40"},
            {"max_position_embeddings", "64"},
            {"rms_norm_eps", "0.00001"},
            {"tie_word_embeddings", tied ? "true" : "false"}};
  gguf_strings = {{"general.architecture", "llama"}};
  gguf_numbers = {{"llama.embedding_length", 32},
                  {"llama.feed_forward_length", 64},
                  {"llama.block_count", 2},
                  {"llama.attention.head_count", 4},
                  {"llama.attention.head_count_kv", 2},
                  {"llama.context_length", 64}};
  uint64_t stream = 0;
  const auto add = [&](const std::string& name, Shape shape, float scale, float centre) {
    Tensor tensor(DType::f32, shape);
    for (int64_t i = 0; i < shape.elements(); ++i)
      tensor.as<float>()[i] = centre + scale * random_normal(17, stream, static_cast<uint64_t>(i));
    ++stream;
    tensors.emplace_back(name, std::move(tensor));
  };
  add("model.embed_tokens.weight", {vocabulary, hidden}, 1.0f, 0);
  for (int64_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    add(prefix + "self_attn.q_proj.weight", {heads * head_dim, hidden}, 0.2f, 0);
    add(prefix + "self_attn.k_proj.weight", {kv_heads * head_dim, hidden}, 0.2f, 0);
    add(prefix + "self_attn.v_proj.weight", {kv_heads * head_dim, hidden}, 0.2f, 0);
    add(prefix + "self_attn.o_proj.weight", {hidden, heads * head_dim}, 0.2f, 0);
    add(prefix + "mlp.gate_proj.weight", {inner, hidden}, 0.2f, 0);
    add(prefix + "mlp.up_proj.weight", {inner, hidden}, 0.2f, 0);
    add(prefix + "mlp.down_proj.weight", {hidden, inner}, 0.2f, 0);
    add(prefix + "input_layernorm.weight", {hidden}, 0.1f, 1);
    add(prefix + "post_attention_layernorm.weight", {hidden}, 0.1f, 1);
  }
  add("model.norm.weight", {hidden}, 0.1f, 1);
  if (!tied) add("lm_head.weight", {vocabulary, hidden}, 0.3f, 0);
}

Tensor& TinyModel::tensor(const std::string& name) {
  for (auto& [known, tensor] : tensors)
    if (known == name) return tensor;
  CHECK(!"a tensor of the tiny model");
  std::abort();
}

void TinyModel::remove_tensor(const std::string& name) {
  std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
}

void TinyModel::set(const std::string& field, const std::string& json) {
  if (json.empty()) {
    config.erase(field);
  } else {
    config[field] = json;
  }
}

void TinyModel::write_hugging_face(const std::filesystem::path& folder) const {
  std::filesystem::create_directories(folder);
  std::ofstream out(folder / "config.json");
  const char* separator = "{";
  for (const auto& [field, value] : config) {
    out << separator << "\"" << field << "\": " << value;
    separator = ",\n ";
  }
  out << "}\n";
  const auto written = write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
  ASSERT_TRUE(written.has_value()) << written.error().text();
}

void TinyModel::write_gguf(const std::filesystem::path& file) const {
  GgufMetadataBuilder metadata;
  for (const auto& [key, value] : gguf_strings) metadata.set(key, value);
  for (const auto& [key, value] : gguf_numbers) metadata.set(key, value);
  metadata.set("llama.attention.layer_norm_rms_epsilon", 0.00001f);
  std::vector<GgufWriter::Declaration> declarations;
  for (const auto& [name, tensor] : tensors) {
    const char* type = tensor.dtype() == DType::f32   ? "F32"
                       : tensor.dtype() == DType::f16 ? "F16"
                                                      : "I32";
    declarations.push_back({gguf_name(name), gguf_tensor_type(type), tensor.shape()});
  }
  auto writer = GgufWriter::create(file, metadata, declarations);
  ASSERT_TRUE(writer.has_value()) << writer.error().text();
  for (const auto& [name, tensor] : tensors) {
    const bool rotary = name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight");
    const Tensor stored = rotary ? interleaved(tensor) : tensor;
    ASSERT_TRUE(writer->write(gguf_name(name), stored.span()).has_value());
  }
  ASSERT_TRUE(writer->commit().has_value());
}

}  // namespace farthing::testing
