// Reading ModelConfig from config.json and from GGUF metadata, with the checks that keep later code
// safe.
#include "model/config.h"

#include <fmt/format.h>

#include "io/gguf/gguf.h"
#include "io/json.h"
#include "model/model.h"

namespace farthing {
namespace {

// A size or count that later code multiplies and allocates by.
Result<int64_t> bounded(int64_t value, int64_t most, std::string_view field,
                        const std::string& where) {
  if (value >= 1 && value <= most) return value;
  return fail({.what = "a size in the model's configuration makes no sense",
               .where = fmt::format("{}, field {}", where, field),
               .got = std::to_string(value),
               .wanted = fmt::format("1 to {}", most),
               .remedy = "the file is damaged, or this is no model of a known architecture"});
}

constexpr int64_t most_width = 1 << 20, most_layers = 4096, most_heads = 4096,
                  most_vocabulary = 1 << 24;

Result<ModelConfig> check(ModelConfig c, const std::string& where) {
  TRY(bounded(c.hidden_size, most_width, "hidden_size", where));
  TRY(bounded(c.intermediate_size, most_width, "intermediate_size", where));
  TRY(bounded(c.layers, most_layers, "num_hidden_layers", where));
  TRY(bounded(c.heads, most_heads, "num_attention_heads", where));
  TRY(bounded(c.kv_heads, c.heads, "num_key_value_heads", where));
  TRY(bounded(c.head_dim, 256, "head_dim", where));
  TRY(bounded(c.vocabulary_size, most_vocabulary, "vocab_size", where));
  TRY(bounded(c.max_positions, int64_t{1} << 31, "max_position_embeddings", where));
  if (c.heads % c.kv_heads != 0 || c.head_dim % 2 != 0) {
    return fail(
        {.what = "the attention heads do not fit together",
         .where = where,
         .got = fmt::format("{} heads, {} KV heads, head_dim {}", c.heads, c.kv_heads, c.head_dim),
         .wanted = "heads a multiple of KV heads, an even head_dim",
         .remedy = "check num_attention_heads, num_key_value_heads and head_dim"});
  }
  if (!(c.norm_epsilon > 0 && c.norm_epsilon < 1) || !(c.rope.theta >= 1 && c.rope.theta <= 1e12)) {
    return fail({.what = "a constant in the model's configuration makes no sense",
                 .where = where,
                 .got = fmt::format("rms_norm_eps {}, rope_theta {}", c.norm_epsilon, c.rope.theta),
                 .wanted = "0 < rms_norm_eps < 1, 1 <= rope_theta <= 1e12",
                 .remedy = "check these fields"});
  }
  const RopeParameters& scaling = c.rope;
  if (!(scaling.factor > 0) || !(scaling.high_freq_factor > scaling.low_freq_factor) ||
      !(scaling.low_freq_factor > 0) || scaling.original_max_positions < 1) {
    return fail({.what = "the rope scaling in the model's configuration makes no sense",
                 .where = where,
                 .got = fmt::format(
                     "factor {}, low_freq_factor {}, high_freq_factor {}, original positions {}",
                     scaling.factor, scaling.low_freq_factor, scaling.high_freq_factor,
                     scaling.original_max_positions),
                 .wanted = "positive numbers, low_freq_factor below high_freq_factor",
                 .remedy = "check rope_scaling"});
  }
  return c;
}

Result<> refuse_unless(bool fine, const JsonObject& json, std::string_view field, std::string got,
                       std::string wanted) {
  if (fine) return {};
  return fail({.what = "this variant of the architecture is not supported",
               .where = fmt::format("{}, field {}", json.where(), field),
               .got = std::move(got),
               .wanted = std::move(wanted),
               .remedy = "use a model without it"});
}

Result<RopeParameters> rope_from_json(const JsonObject& json) {
  RopeParameters rope;
  // transformers 5 writes rope_parameters with rope_theta inside; earlier ones rope_theta beside
  // rope_scaling.
  const std::string at = json.has("rope_parameters") && !json.is_null("rope_parameters")
                             ? "rope_parameters"
                             : "rope_scaling";
  rope.theta = TRY(json.number("rope_theta", 10000.0));
  if (!json.has(at) || json.is_null(at)) return rope;
  rope.theta = TRY(json.number(at + ".rope_theta", rope.theta));
  const std::string type =
      TRY(json.string(at + ".rope_type", TRY(json.string(at + ".type", "default"))));
  if (type == "default") return rope;
  const auto number = [&](const char* field) {
    return json.number(fmt::format("{}.{}", at, field));
  };
  rope.factor = TRY(number("factor"));
  if (type == "linear") {
    rope.scaling = RopeScaling::linear;
  } else if (type == "llama3") {
    rope.scaling = RopeScaling::llama3;
    rope.low_freq_factor = TRY(number("low_freq_factor"));
    rope.high_freq_factor = TRY(number("high_freq_factor"));
    rope.original_max_positions = TRY(json.integer(at + ".original_max_position_embeddings"));
  } else {
    return fail({.what = "unknown kind of rope scaling",
                 .where = fmt::format("{}, field {}.rope_type", json.where(), at),
                 .got = type,
                 .wanted = "default, linear or llama3",
                 .remedy = "use a model with one of these"});
  }
  return rope;
}

Result<std::optional<int32_t>> token_id(int64_t id, std::string_view field,
                                        const std::string& where) {
  if (id >= 0 && id < most_vocabulary) return static_cast<int32_t>(id);
  return fail({.what = "a token id in the model's configuration makes no sense",
               .where = fmt::format("{}, field {}", where, field),
               .got = std::to_string(id),
               .wanted = fmt::format("0 to {}", most_vocabulary - 1),
               .remedy = "the file is damaged, or this is no model of a known architecture"});
}

Result<std::optional<int32_t>> token_from_json(const JsonObject& json, const std::string& field) {
  if (!json.has(field) || json.is_null(field)) return std::nullopt;
  if (auto one = json.integer(field)) return token_id(*one, field, json.where());
  const auto several =
      TRY(json.integers(field));  // generation lists several ends of text; the first is the model's
  if (several.empty()) return std::nullopt;
  return token_id(several.front(), field, json.where());
}

}  // namespace

Result<ModelConfig> config_from_json(const JsonObject& json) {
  const auto names = TRY(json.strings("architectures"));
  ModelConfig c;
  for (const Architecture& architecture : all_architectures())
    for (const std::string& name : names)
      if (architecture.hugging_face == name) c.architecture = architecture.name;
  if (c.architecture.empty()) {
    return fail({.what = "unknown model architecture",
                 .where = json.where() + ", field architectures",
                 .got = names.empty() ? "an empty list" : names.front(),
                 .wanted = "one of " + architecture_names(),
                 .remedy = "use a model of one of these"});
  }
  const std::string act = TRY(json.string("hidden_act", "silu"));
  TRY(refuse_unless(act == "silu", json, "hidden_act", act, "silu"));
  TRY(refuse_unless(!TRY(json.boolean("attention_bias", false)), json, "attention_bias", "true",
                    "false"));
  TRY(refuse_unless(!TRY(json.boolean("mlp_bias", false)), json, "mlp_bias", "true", "false"));
  c.hidden_size = TRY(json.integer("hidden_size"));
  c.intermediate_size = TRY(json.integer("intermediate_size"));
  c.layers = TRY(json.integer("num_hidden_layers"));
  c.heads = TRY(json.integer("num_attention_heads"));
  c.kv_heads = TRY(json.integer("num_key_value_heads", c.heads));
  c.head_dim = TRY(json.integer("head_dim", c.heads > 0 ? c.hidden_size / c.heads : 0));
  c.vocabulary_size = TRY(json.integer("vocab_size"));
  c.max_positions = TRY(json.integer("max_position_embeddings", 2048));
  c.norm_epsilon = static_cast<float>(TRY(json.number("rms_norm_eps", 1e-6)));
  c.rope = TRY(rope_from_json(json));
  c.tied_embeddings = TRY(json.boolean("tie_word_embeddings", false));
  c.bos_token = TRY(token_from_json(json, "bos_token_id"));
  c.eos_token = TRY(token_from_json(json, "eos_token_id"));
  return check(std::move(c), json.where());
}

Result<ModelConfig> config_from_gguf(const GgufFile& file) {
  const GgufMetadata& meta = file.metadata();
  ModelConfig c;
  c.architecture = TRY(meta.string("general.architecture"));
  bool known = false;
  std::string names;
  for (const Architecture& architecture : all_architectures()) {
    known |= architecture.name == c.architecture;
    names += (names.empty() ? "" : ", ") + std::string(architecture.name);
  }
  if (!known) {
    return fail({.what = "unknown model architecture",
                 .where = file.where() + ", key general.architecture",
                 .got = c.architecture,
                 .wanted = "one of " + names,
                 .remedy = "use a model of one of these"});
  }
  const auto key = [&](std::string_view name) {
    return fmt::format("{}.{}", c.architecture, name);
  };
  const auto integer = [&](std::string_view name) -> Result<int64_t> {
    return static_cast<int64_t>(TRY(meta.integer(key(name))));
  };
  c.hidden_size = TRY(integer("embedding_length"));
  c.intermediate_size = TRY(integer("feed_forward_length"));
  c.layers = TRY(integer("block_count"));
  c.heads = TRY(integer("attention.head_count"));
  c.kv_heads = static_cast<int64_t>(
      TRY(meta.integer(key("attention.head_count_kv"), static_cast<uint64_t>(c.heads))));
  const int64_t fallback_dim = c.heads > 0 ? c.hidden_size / c.heads : 0;
  c.head_dim = static_cast<int64_t>(
      TRY(meta.integer(key("attention.key_length"), static_cast<uint64_t>(fallback_dim))));
  c.max_positions = TRY(integer("context_length"));
  c.norm_epsilon = static_cast<float>(TRY(meta.number(key("attention.layer_norm_rms_epsilon"))));
  c.rope.theta = TRY(meta.number(key("rope.freq_base"), 10000.0));
  const std::string scaling = TRY(meta.string(key("rope.scaling.type"), "none"));
  if (scaling == "linear") {
    c.rope.scaling = RopeScaling::linear;
    c.rope.factor = TRY(meta.number(key("rope.scaling.factor")));
  } else if (scaling != "none") {
    return fail({.what = "unknown kind of rope scaling",
                 .where = fmt::format("{}, key {}", file.where(), key("rope.scaling.type")),
                 .got = scaling,
                 .wanted = "none or linear",
                 .remedy = "use the model's Hugging Face directory"});
  }
  const GgufFile::Entry* embedding = file.find("token_embd.weight");
  c.vocabulary_size =
      embedding != nullptr && embedding->shape.rank() == 2 ? embedding->shape[0] : 0;
  c.tied_embeddings = file.find("output.weight") == nullptr;
  const auto token = [&](std::string_view name) -> Result<std::optional<int32_t>> {
    if (!meta.has(name)) return std::nullopt;
    return token_id(static_cast<int64_t>(TRY(meta.integer(name))), name, file.where());
  };
  c.bos_token = TRY(token("tokenizer.ggml.bos_token_id"));
  c.eos_token = TRY(token("tokenizer.ggml.eos_token_id"));
  if (file.find("rope_freqs.weight") != nullptr) {
    return fail(
        {.what = "rope factors stored as a tensor are not supported",
         .where = file.where() + ", tensor rope_freqs.weight",
         .got = "a llama3 model as GGUF",
         .wanted = "a model without them",
         .remedy = "use the model's Hugging Face directory, whose config.json states the scaling"});
  }
  return check(std::move(c), file.where());
}

}  // namespace farthing
