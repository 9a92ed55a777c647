// Reading sizes and tokens of config.json.
#include "model/blocks/sizes.h"

#include <fmt/format.h>

namespace farthing {
namespace {

constexpr int64_t most_width = 1 << 20, most_layers = 4096, most_heads = 4096,
                  most_vocabulary = 1 << 24, most_head_dim = 256;

Result<int64_t> bounded(int64_t value, int64_t most, std::string_view field,
                        const std::string& where) {
  if (value >= 1 && value <= most) return value;
  return fail({.what = "a size in the model's configuration makes no sense",
               .where = fmt::format("{}, field {}", where, field),
               .got = std::to_string(value),
               .wanted = fmt::format("1 to {}", most),
               .remedy = "the file is damaged, or this is no model of a known architecture"});
}

Result<int32_t> token_id(int64_t id, std::string_view field, const std::string& where) {
  if (id >= 0 && id < most_vocabulary) return static_cast<int32_t>(id);
  return fail({.what = "a token id in the model's configuration makes no sense",
               .where = fmt::format("{}, field {}", where, field),
               .got = std::to_string(id),
               .wanted = fmt::format("0 to {}", most_vocabulary - 1),
               .remedy = "the file is damaged, or this is no model of a known architecture"});
}

}  // namespace

Result<DecoderSizes> sizes_from_json(const JsonObject& json, const SizeFields& fields,
                                     int64_t otherwise_inner) {
  const std::string& where = json.where();
  const auto size = [&](const char* field, int64_t most) -> Result<int64_t> {
    return bounded(TRY(json.integer(field)), most, field, where);
  };
  DecoderSizes s;
  s.hidden = TRY(size(fields.hidden, most_width));
  const int64_t inner = otherwise_inner * s.hidden;
  s.inner =
      TRY(bounded(TRY(inner > 0 ? json.integer(fields.inner, inner) : json.integer(fields.inner)),
                  most_width, fields.inner, where));
  s.layers = TRY(size(fields.layers, most_layers));
  s.heads = TRY(size(fields.heads, most_heads));
  s.kv_heads =
      TRY(bounded(TRY(json.integer(fields.kv_heads, s.heads)), s.heads, fields.kv_heads, where));
  s.head_dim = TRY(bounded(TRY(json.integer(fields.head_dim, s.hidden / s.heads)), most_head_dim,
                           fields.head_dim, where));
  s.vocabulary = TRY(size("vocab_size", most_vocabulary));
  s.positions = TRY(bounded(TRY(json.integer(fields.positions, 2048)), int64_t{1} << 31,
                            fields.positions, where));
  if (s.heads % s.kv_heads == 0 && s.head_dim % 2 == 0) return s;
  return fail(
      {.what = "the attention heads do not fit together",
       .where = where,
       .got = fmt::format("{} heads, {} KV heads, head_dim {}", s.heads, s.kv_heads, s.head_dim),
       .wanted = "heads a multiple of KV heads, an even head_dim",
       .remedy =
           fmt::format("check {}, {} and {}", fields.heads, fields.kv_heads, fields.head_dim)});
}

Result<ModelConfig> config_of_sizes(const JsonObject& json, const DecoderSizes& sizes) {
  ModelConfig c;
  c.hidden_size = sizes.hidden;
  c.intermediate_size = sizes.inner;
  c.layers = sizes.layers;
  c.heads = sizes.heads;
  c.kv_heads = sizes.kv_heads;
  c.head_dim = sizes.head_dim;
  c.vocabulary_size = sizes.vocabulary;
  c.max_positions = sizes.positions;
  // Where a field lists several, the first is the model's.
  const auto first = [](const std::vector<int32_t>& tokens) -> std::optional<int32_t> {
    if (tokens.empty()) return std::nullopt;
    return tokens.front();
  };
  c.bos_token = first(TRY(tokens_from_json(json, "bos_token_id")));
  c.stop_tokens = TRY(tokens_from_json(json, "eos_token_id"));
  c.eos_token = first(c.stop_tokens);
  return c;
}

Result<std::vector<int32_t>> tokens_from_json(const JsonObject& json, const std::string& field) {
  std::vector<int32_t> out;
  if (!json.has(field) || json.is_null(field)) return out;
  std::vector<int64_t> ids;
  if (const auto one = json.integer(field))
    ids = {*one};
  else
    ids = TRY(json.integers(field));
  for (const int64_t id : ids) out.push_back(TRY(token_id(id, field, json.where())));
  return out;
}

Result<int64_t> count_from_json(const JsonObject& json, const char* field, int64_t most) {
  return bounded(TRY(json.integer(field)), most, field, json.where());
}

Result<float> epsilon_from_json(const JsonObject& json, const char* field, double otherwise) {
  const double epsilon = TRY(json.number(field, otherwise));
  if (epsilon > 0 && epsilon < 1) return static_cast<float>(epsilon);
  return fail({.what = "a constant in the model's configuration makes no sense",
               .where = fmt::format("{}, field {}", json.where(), field),
               .got = fmt::format("{}", epsilon),
               .wanted = "more than 0, less than 1",
               .remedy = "check this field"});
}

Result<ActivationFunction> activation_function_from_json(const JsonObject& json, const char* field,
                                                         std::string otherwise) {
  constexpr std::pair<std::string_view, ActivationFunction> known[] = {
      {"silu", ActivationFunction::silu},
      {"swish", ActivationFunction::silu},
      {"gelu", ActivationFunction::gelu},
      {"gelu_new", ActivationFunction::gelu_tanh},
      {"gelu_fast", ActivationFunction::gelu_tanh},
      {"gelu_pytorch_tanh", ActivationFunction::gelu_tanh},
      {"relu", ActivationFunction::relu}};
  const std::string name = TRY(json.string(field, std::move(otherwise)));
  std::string names;
  for (const auto& [each, function] : known) {
    if (name == each) return function;
    names += (names.empty() ? "" : ", ") + std::string(each);
  }
  return fail({.what = "unknown activation function",
               .where = fmt::format("{}, field {}", json.where(), field),
               .got = name,
               .wanted = "one of " + names,
               .remedy = "use a model with one of these"});
}

Result<std::vector<int64_t>> windows_from_json(const JsonObject& json, int64_t layers,
                                               const std::function<bool(int64_t)>& otherwise) {
  std::vector<int64_t> out(static_cast<size_t>(layers), 0);
  if (!json.has("sliding_window") || json.is_null("sliding_window")) return out;
  const int64_t window = TRY(bounded(TRY(json.integer("sliding_window")), int64_t{1} << 31,
                                     "sliding_window", json.where()));
  std::vector<std::string> types;
  if (json.has("layer_types") && !json.is_null("layer_types")) {
    types = TRY(json.strings("layer_types"));
    if (static_cast<int64_t>(types.size()) != layers) {
      return fail({.what = "the configuration contradicts itself",
                   .where = json.where() + ", field layer_types",
                   .got = fmt::format("{} entries", types.size()),
                   .wanted = fmt::format("one for each of {} layers", layers),
                   .remedy = "check num_hidden_layers and layer_types"});
    }
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (!types.empty() && types[i] != "sliding_attention" && types[i] != "full_attention") {
      return fail({.what = "unknown kind of attention",
                   .where = fmt::format("{}, field layer_types[{}]", json.where(), i),
                   .got = types[i],
                   .wanted = "sliding_attention or full_attention",
                   .remedy = "use a model with these"});
    }
    const bool slides =
        types.empty() ? otherwise(static_cast<int64_t>(i)) : types[i] == "sliding_attention";
    if (slides) out[i] = window;
  }
  return out;
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

}  // namespace farthing
