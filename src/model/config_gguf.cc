// GGUF metadata as the config.json that they amount to, so that one reader serves both.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "io/gguf/gguf.h"
#include "model/config.h"
#include "model/gguf_names.h"

namespace farthing {
namespace {

class Translation {
 public:
  Translation(const GgufFile& file, const Architecture& architecture)
      : file_(file), meta_(file.metadata()), prefix_(architecture.gguf.architecture), json_(true) {
    json_.begin_object();
    json_.key("architectures").begin_array();
    json_.value(architecture.hugging_face.front()).end_array();
    json_.field("model_type", architecture.name);
  }

  Result<std::string> text() {
    TRY(sizes());
    TRY(rope());
    json_.field("rms_norm_eps",
                static_cast<float>(TRY(meta_.number(key("attention.layer_norm_rms_epsilon")))));
    json_.field("hidden_act", "silu").field("attention_bias", false).field("mlp_bias", false);
    json_.field("tie_word_embeddings", file_.find("output.weight") == nullptr);
    for (const char* token : {"bos_token_id", "eos_token_id"}) {
      const std::string name = fmt::format("tokenizer.ggml.{}", token);
      if (meta_.has(name)) json_.field(token, TRY(integer_at(name)));
    }
    json_.field("torch_dtype", "float32");
    return json_.end_object().take();
  }

 private:
  std::string key(std::string_view name) const { return fmt::format("{}.{}", prefix_, name); }
  Result<int64_t> integer_at(const std::string& name) const {
    return static_cast<int64_t>(TRY(meta_.integer(name)));
  }
  Result<int64_t> integer(std::string_view name) const { return integer_at(key(name)); }

  Result<> sizes() {
    const int64_t hidden = TRY(integer("embedding_length"));
    const int64_t heads = TRY(integer("attention.head_count"));
    const auto otherwise = [&](std::string_view name, int64_t value) -> Result<int64_t> {
      return meta_.has(key(name)) ? integer(name) : value;
    };
    json_.field("hidden_size", hidden);
    json_.field("intermediate_size", TRY(integer("feed_forward_length")));
    json_.field("num_hidden_layers", TRY(integer("block_count")));
    json_.field("num_attention_heads", heads);
    json_.field("num_key_value_heads", TRY(otherwise("attention.head_count_kv", heads)));
    json_.field("head_dim", TRY(otherwise("attention.key_length", heads > 0 ? hidden / heads : 0)));
    json_.field("max_position_embeddings", TRY(integer("context_length")));
    const GgufFile::Entry* embedding = file_.find("token_embd.weight");
    const bool matrix = embedding != nullptr && embedding->shape.rank() == 2;
    json_.field("vocab_size", matrix ? embedding->shape[0] : 0);
    return {};
  }

  Result<> rope() {
    json_.field("rope_theta", TRY(meta_.number(key("rope.freq_base"), 10000.0)));
    if (file_.find("rope_freqs.weight") != nullptr) {
      return fail({.what = "rope factors stored as a tensor are not supported",
                   .where = file_.where() + ", tensor rope_freqs.weight",
                   .got = "a llama3 model as GGUF",
                   .wanted = "a model without them",
                   .remedy = "use the model's Hugging Face directory, whose config.json states the "
                             "scaling"});
    }
    const std::string scaling = TRY(meta_.string(key("rope.scaling.type"), "none"));
    if (scaling == "none") return {};
    if (scaling != "linear") {
      return fail({.what = "unknown kind of rope scaling",
                   .where = fmt::format("{}, key {}", file_.where(), key("rope.scaling.type")),
                   .got = scaling,
                   .wanted = "none or linear",
                   .remedy = "use the model's Hugging Face directory"});
    }
    json_.key("rope_scaling").begin_object().field("rope_type", "linear");
    json_.field("factor", TRY(meta_.number(key("rope.scaling.factor")))).end_object();
    return {};
  }

  const GgufFile& file_;
  const GgufMetadata& meta_;
  std::string prefix_;
  JsonWriter json_;
};

}  // namespace

Result<std::string> config_json_from_gguf(const GgufFile& file) {
  const std::string name = TRY(file.metadata().string("general.architecture"));
  const Architecture* architecture = find_gguf_architecture(name);
  if (architecture == nullptr) {
    return fail({.what = "unknown model architecture",
                 .where = file.where() + ", key general.architecture",
                 .got = name,
                 .wanted = "one of " + known_gguf_architectures(),
                 .remedy = "use a model of one of these"});
  }
  return Translation(file, *architecture).text();
}

}  // namespace farthing
