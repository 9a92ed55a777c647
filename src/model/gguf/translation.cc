// The translation of GGUF metadata.
#include <fmt/format.h>

#include "io/gguf/gguf.h"
#include "model/config.h"
#include "model/gguf/names.h"
#include "model/gguf/stop_tokens.h"
#include "model/gguf/translation.h"

namespace farthing {

GgufTranslation::GgufTranslation(const GgufFile& file, const Architecture& architecture)
    : file_(file), architecture_(architecture), json_(true) {
  json_.begin_object();
  json_.key("architectures").begin_array();
  json_.value(architecture.hugging_face.front()).end_array();
  json_.field("model_type", architecture.name);
}

std::string GgufTranslation::full(std::string_view key) const {
  return fmt::format("{}.{}", architecture_.gguf.architecture, key);
}
bool GgufTranslation::has(std::string_view key) const { return file_.metadata().has(full(key)); }
bool GgufTranslation::has_tensor(std::string_view name) const {
  return file_.find(std::string(name)) != nullptr;
}
Result<int64_t> GgufTranslation::value(std::string_view key) const {
  return static_cast<int64_t>(TRY(file_.metadata().integer(full(key))));
}
Result<bool> GgufTranslation::flag(std::string_view key) const {
  return file_.metadata().boolean(full(key));
}

Result<> GgufTranslation::integer(std::string_view key, const char* field,
                                  std::optional<int64_t> otherwise) {
  const bool stands = otherwise && !has(key);
  json_.field(field, stands ? *otherwise : TRY(value(key)));
  return {};
}

Result<> GgufTranslation::number(std::string_view key, const char* field,
                                 std::optional<double> otherwise) {
  const bool stands = otherwise && !has(key);
  // GGUF holds these as f32, whose shortest text config.json has
  json_.field(field,
              static_cast<float>(stands ? *otherwise : TRY(file_.metadata().number(full(key)))));
  return {};
}

Result<> GgufTranslation::llama_sizes() {
  const int64_t hidden = TRY(value("embedding_length")), heads = TRY(value("attention.head_count"));
  json_.field("hidden_size", hidden).field("num_attention_heads", heads);
  TRY(integer("feed_forward_length", "intermediate_size"));
  TRY(integer("block_count", "num_hidden_layers"));
  TRY(integer("attention.head_count_kv", "num_key_value_heads", heads));
  TRY(integer("attention.key_length", "head_dim", heads > 0 ? hidden / heads : 0));
  return integer("context_length", "max_position_embeddings");
}

Result<> GgufTranslation::llama() {
  TRY(llama_sizes());
  TRY(rope());
  return number("attention.layer_norm_rms_epsilon", "rms_norm_eps");
}

Result<> GgufTranslation::experts(const char* field) {
  TRY(integer("expert_count", field));
  return integer("expert_used_count", "num_experts_per_tok");
}

Result<std::string> GgufTranslation::text() {
  const GgufMetadata& meta = file_.metadata();
  const GgufFile::Entry* embedding = file_.find("token_embd.weight");
  const bool matrix = embedding != nullptr && embedding->shape.rank() == 2;
  json_.field("vocab_size", matrix ? embedding->shape[0] : 0);
  json_.field("tie_word_embeddings", !has_tensor("output.weight"));
  constexpr const char* bos = "tokenizer.ggml.bos_token_id";
  if (meta.has(bos)) json_.field("bos_token_id", static_cast<int64_t>(TRY(meta.integer(bos))));
  const auto stop_tokens = TRY(stop_tokens_from_gguf(meta));
  if (stop_tokens.size() == 1) json_.field("eos_token_id", stop_tokens.front());
  if (stop_tokens.size() > 1) {
    json_.key("eos_token_id").begin_array();
    for (const int64_t id : stop_tokens) json_.value(id);
    json_.end_array();
  }
  TRY(architecture_.gguf.translate(*this));
  json_.field("torch_dtype", "float32");
  return json_.end_object().take();
}

Result<std::string> config_json_from_gguf(const GgufFile& file) {
  const std::string name = TRY(file.metadata().string("general.architecture"));
  const std::string experts = name + ".expert_count";
  const bool has_experts =
      file.metadata().has(experts) && TRY(file.metadata().integer(experts)) > 0;
  const std::string gating = name + ".expert_gating_func";
  const bool sigmoid = file.metadata().has(gating) && TRY(file.metadata().integer(gating)) == 2;
  const Architecture* architecture = find_gguf_architecture(name, has_experts, sigmoid);
  if (architecture == nullptr) {
    return fail({.what = "unknown model architecture",
                 .where = file.where() + ", key general.architecture",
                 .got = fmt::format("{}{}{}", name, has_experts ? " with experts" : "",
                                    sigmoid ? " by sigmoids" : ""),
                 .wanted = "one of " + known_gguf_architectures(),
                 .remedy = "use a model of one of these"});
  }
  return GgufTranslation(file, *architecture).text();
}

}  // namespace farthing
