// The readers of tokenizer_config.json, special_tokens_map.json and added_tokens.json.
#include "text/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "text/json/node.h"
#include "text/json/stages.h"

namespace farthing {
namespace {

using namespace tokenizer;  // NOLINT: the parts of a specification

constexpr std::pair<const char*, std::optional<std::string> TokenizerConfig::*> kNamedTokens[] = {
    {"bos_token", &TokenizerConfig::bos_token},  {"eos_token", &TokenizerConfig::eos_token},
    {"unk_token", &TokenizerConfig::unk_token},  {"pad_token", &TokenizerConfig::pad_token},
    {"cls_token", &TokenizerConfig::cls_token},  {"sep_token", &TokenizerConfig::sep_token},
    {"mask_token", &TokenizerConfig::mask_token}};

constexpr std::pair<const char*, std::optional<bool> TokenizerConfig::*> kFlags[] = {
    {"add_bos_token", &TokenizerConfig::add_bos_token},
    {"add_eos_token", &TokenizerConfig::add_eos_token},
    {"add_prefix_space", &TokenizerConfig::add_prefix_space},
    {"legacy", &TokenizerConfig::legacy},
    {"do_lower_case", &TokenizerConfig::do_lower_case},
    {"strip_accents", &TokenizerConfig::strip_accents},
    {"tokenize_chinese_chars", &TokenizerConfig::tokenize_chinese_chars}};

// Each a string, or an added token written out; null for none.
Result<void> read_named_tokens(const JsonNode& root, TokenizerConfig* config) {
  for (const auto& [key, member] : kNamedTokens) {
    if (!root.has(key) || config->*member) continue;
    const JsonNode node = TRY(root.at(key));
    config->*member = node.is_object() ? TRY(node.text("content")) : TRY(node.text());
  }
  return {};
}

bool has_added(const TokenizerConfig& config, std::int32_t id) {
  return std::any_of(config.added.begin(), config.added.end(),
                     [&](const AddedToken& token) { return token.id == id; });
}

Result<void> read_added(const JsonNode& decoder, TokenizerConfig* config) {
  if (!decoder.is_object()) return decoder.refuse("an object from id to token");
  for (const std::string& key : decoder.keys()) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const JsonNode node = TRY(decoder.at(key.c_str()));
    if (error != std::errc() || end != key.data() + key.size() || id < 0)
      return node.refuse(fmt::format("\"{}\" as its id", key), "a whole number of 0 or more");
    AddedToken token = TRY(read_added_token(node));
    token.id = id;
    config->added.push_back(std::move(token));
  }
  return {};
}

Result<std::optional<std::string>> read_chat_template(const JsonNode& root) {
  if (!root.has("chat_template")) return std::nullopt;
  const JsonNode chat = TRY(root.at("chat_template"));
  if (!chat.is_list()) return TRY(chat.text());
  std::optional<std::string> found;
  for (std::size_t i = 0; i < chat.size(); ++i) {
    const JsonNode named = chat.element(i);
    if (TRY(named.text("name")) == "default") found = TRY(named.text("template"));
  }
  return found;
}

Result<JsonNode> root_object(const JsonDocument& document) {
  if (!document.root().is_object()) return document.root().refuse("an object");
  return document.root();
}

}  // namespace

Result<TokenizerConfig> tokenizer_config_from_json(std::string_view json_text,
                                                   std::string_view where) {
  const JsonDocument document = TRY(JsonDocument::parse(json_text, where));
  const JsonNode root = TRY(root_object(document));
  TokenizerConfig config;
  if (root.has("tokenizer_class")) config.tokenizer_class = TRY(root.text("tokenizer_class"));
  if (config.tokenizer_class.ends_with("Fast"))
    config.tokenizer_class.resize(config.tokenizer_class.size() - 4);
  TRY(read_named_tokens(root, &config));
  for (const auto& [key, member] : kFlags) {
    if (root.has(key)) config.*member = TRY(root.boolean(key, false));
  }
  if (root.has("added_tokens_decoder"))
    TRY(read_added(TRY(root.at("added_tokens_decoder")), &config));
  config.chat_template = TRY(read_chat_template(root));
  return config;
}

Result<void> add_special_tokens_map(std::string_view json_text, std::string_view where,
                                    TokenizerConfig* config) {
  const JsonDocument document = TRY(JsonDocument::parse(json_text, where));
  return read_named_tokens(TRY(root_object(document)), config);
}

Result<void> add_added_tokens(std::string_view json_text, std::string_view where,
                              TokenizerConfig* config) {
  const JsonDocument document = TRY(JsonDocument::parse(json_text, where));
  const JsonNode root = TRY(root_object(document));
  return root.each_id([&](const std::string& text, std::optional<std::int32_t> id) -> Result<void> {
    if (!id || text.empty())
      return root.refuse(fmt::format("\"{}\" without a whole number as id", text),
                         "tokens with an id of 0 or more");
    if (!has_added(*config, *id)) config->added.push_back({.id = *id, .content = text});
    return {};
  });
}

}  // namespace farthing
