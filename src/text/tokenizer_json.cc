// The reader of tokenizer.json and tokenizer_config.json.
#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "text/pipeline/spec.h"

namespace farthing {
namespace {

using namespace tokenizer;  // NOLINT: the parts of a specification
using Json = nlohmann::json;

constexpr int kDeepestNesting = 64;

// A JSON value and the way to it, so that every refusal can say where.
struct Node {
  const Json& json;
  std::string path;

  tl::unexpected<Error> refuse(std::string got, std::string wanted) const {
    return fail({.what = "the tokenizer file holds a value that cannot be used",
                 .where = path,
                 .got = std::move(got),
                 .wanted = std::move(wanted),
                 .remedy =
                     "check that the file is complete; if it is, this kind of tokenizer is not "
                     "supported"});
  }
  tl::unexpected<Error> refuse(std::string wanted) const {
    std::string got = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (got.size() > 120) got = got.substr(0, 120) + " ...";
    return refuse(std::move(got), std::move(wanted));
  }

  bool has(const char* key) const {
    return json.is_object() && json.contains(key) && !json[key].is_null();
  }
  Result<Node> at(const char* key) const {
    if (!has(key)) return refuse("nothing", fmt::format("the key \"{}\"", key));
    return Node{json[key], fmt::format("{}.{}", path, key)};
  }
  Node element(std::size_t i) const { return {json[i], fmt::format("{}[{}]", path, i)}; }

  Result<std::string> text() const {
    if (!json.is_string()) return refuse("a string");
    return json.get<std::string>();
  }
  Result<std::string> text(const char* key) const { return TRY(at(key)).text(); }
  Result<bool> boolean(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    const Node node = TRY(at(key));
    if (!node.json.is_boolean()) return node.refuse("true or false");
    return node.json.get<bool>();
  }
  // A whole number of 0 to 2^31 - 1.
  Result<std::int32_t> count() const {
    if (!json.is_number_unsigned() || json.get<std::uint64_t>() > 0x7FFFFFFF) {
      return refuse("a whole number from 0 to 2147483647");
    }
    return static_cast<std::int32_t>(json.get<std::uint64_t>());
  }
  Result<void> is_array() const {
    if (!json.is_array()) return refuse("a list");
    return {};
  }
};

Result<Json> parse(std::string_view text, std::string_view where) {
  const auto refuse = [&](std::string got, std::string wanted) {
    return fail({.what = "the file is not JSON that can be read",
                 .where = std::string(where),
                 .got = std::move(got),
                 .wanted = std::move(wanted),
                 .remedy = "download the file again"});
  };
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepestNesting) {
        return refuse(fmt::format("more than {} levels of nesting at byte {}", kDeepestNesting, i),
                      fmt::format("at most {} levels", kDeepestNesting));
      }
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    return refuse(error.what(), "valid JSON");
  }
}

// The steps of a stage: none for null, several for a Sequence (whose list is `list_key`).
template <class Step>
Result<std::vector<Step>> read_steps(const Node& parent, const char* stage, const char* list_key,
                                     Result<Step> (*read_step)(const Node&, const std::string&)) {
  std::vector<Step> steps;
  if (!parent.has(stage)) return steps;
  std::vector<Node> pending = {TRY(parent.at(stage))};
  while (!pending.empty()) {
    const Node node = pending.back();
    pending.pop_back();
    const std::string type = TRY(node.text("type"));
    if (type != "Sequence") {
      steps.push_back(TRY(read_step(node, type)));
      continue;
    }
    const Node list = TRY(node.at(list_key));
    TRY(list.is_array());
    for (std::size_t i = list.json.size(); i-- > 0;) pending.push_back(list.element(i));
  }
  return steps;
}

Result<Pattern> read_pattern(const Node& node) {
  const Node pattern = TRY(node.at("pattern"));
  if (pattern.has("Regex")) return Pattern{TRY(pattern.text("Regex")), true};
  if (pattern.has("String")) return Pattern{TRY(pattern.text("String")), false};
  return pattern.refuse("{\"String\": ...} or {\"Regex\": ...}");
}

Result<Replace> read_replace(const Node& node) {
  Replace replace;
  replace.pattern = TRY(read_pattern(node));
  replace.content = TRY(node.text("content"));
  return replace;
}

Result<Metaspace> read_metaspace(const Node& node) {
  Metaspace metaspace;
  metaspace.replacement = TRY(node.text("replacement"));
  if (metaspace.replacement.empty()) return node.refuse("a replacement of one character");
  metaspace.split = TRY(node.boolean("split", true));
  if (!node.has("prepend_scheme")) {  // files written before the scheme existed
    const bool prefix = TRY(node.boolean("add_prefix_space", true));
    metaspace.prepend = prefix ? PrependScheme::kAlways : PrependScheme::kNever;
    return metaspace;
  }
  const std::string scheme = TRY(node.text("prepend_scheme"));
  if (scheme == "always") {
    metaspace.prepend = PrependScheme::kAlways;
  } else if (scheme == "first") {
    metaspace.prepend = PrependScheme::kFirst;
  } else if (scheme == "never") {
    metaspace.prepend = PrependScheme::kNever;
  } else {
    return node.refuse(fmt::format("prepend_scheme \"{}\"", scheme), "always, first or never");
  }
  return metaspace;
}

Result<NormalizerStep> read_normalizer(const Node& node, const std::string& type) {
  if (type == "Prepend") return Prepend{TRY(node.text("prepend"))};
  if (type == "Replace") return TRY(read_replace(node));
  if (type == "NFC") return Nfc{};
  return node.refuse(fmt::format("a normalizer of type \"{}\"", type),
                     "Prepend, Replace, NFC or Sequence");
}

Result<PreTokenizerStep> read_pre_tokenizer(const Node& node, const std::string& type) {
  if (type == "ByteLevel") {
    ByteLevel step;
    step.add_prefix_space = TRY(node.boolean("add_prefix_space", true));
    step.use_regex = TRY(node.boolean("use_regex", true));
    return step;
  }
  if (type == "Digits") return Digits{TRY(node.boolean("individual_digits", false))};
  if (type == "Metaspace") return TRY(read_metaspace(node));
  if (type != "Split") {
    return node.refuse(fmt::format("a pre-tokenizer of type \"{}\"", type),
                       "ByteLevel, Split, Digits, Metaspace or Sequence");
  }
  static constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  Split split;
  split.pattern = TRY(read_pattern(node));
  split.invert = TRY(node.boolean("invert", false));
  const std::string behavior = TRY(node.text("behavior"));
  for (const auto& [name, value] : kBehaviors) {
    if (behavior != name) continue;
    split.behavior = value;
    return split;
  }
  return node.refuse(fmt::format("behavior \"{}\"", behavior),
                     "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

Result<DecoderStep> read_decoder(const Node& node, const std::string& type) {
  if (type == "ByteLevel") return ByteLevel{};
  if (type == "Replace") return TRY(read_replace(node));
  if (type == "ByteFallback") return ByteFallback{};
  if (type == "Fuse") return Fuse{};
  if (type == "Metaspace") return TRY(read_metaspace(node));
  if (type != "Strip") {
    return node.refuse(fmt::format("a decoder of type \"{}\"", type),
                       "ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace or Sequence");
  }
  if (TRY(TRY(node.at("stop")).count()) != 0) return node.refuse("a Strip with \"stop\" 0");
  Strip strip;
  strip.content = TRY(node.text("content"));
  strip.start = static_cast<std::uint32_t>(TRY(TRY(node.at("start")).count()));
  if (strip.content.empty()) return node.refuse("a Strip with a \"content\" of one character");
  return strip;
}

// What a template puts before and after the text.
Result<void> read_template(const Node& node, Spec* spec) {
  const Node single = TRY(node.at("single"));
  TRY(single.is_array());
  int sequences = 0;
  std::vector<std::int32_t> before, after;
  for (std::size_t i = 0; i < single.json.size(); ++i) {
    const Node piece = single.element(i);
    if (piece.has("Sequence")) {
      ++sequences;
      continue;
    }
    const std::string name = TRY(TRY(piece.at("SpecialToken")).text("id"));
    const Node special = TRY(TRY(node.at("special_tokens")).at(name.c_str()));
    const Node ids = TRY(special.at("ids"));
    TRY(ids.is_array());
    for (std::size_t k = 0; k < ids.json.size(); ++k) {
      (sequences == 0 ? before : after).push_back(TRY(ids.element(k).count()));
    }
  }
  if (sequences != 1) return single.refuse("a template that holds the text once");
  spec->prefix.insert(spec->prefix.begin(), before.begin(), before.end());
  spec->suffix.insert(spec->suffix.end(), after.begin(), after.end());
  return {};
}

Result<Node> read_post_processor(const Node& node, const std::string& type) {
  if (type == "TemplateProcessing" || type == "ByteLevel") return node;
  return node.refuse(fmt::format("a post-processor of type \"{}\"", type),
                     "TemplateProcessing, ByteLevel or Sequence");
}

Result<void> add_token(const Node& node, std::string text, std::int32_t id, std::size_t limit,
                       Spec* spec) {
  if (static_cast<std::size_t>(id) >= limit) {
    return node.refuse(fmt::format("token {}", id), fmt::format("ids below {}", limit));
  }
  if (spec->tokens.size() <= static_cast<std::size_t>(id)) spec->tokens.resize(id + 1);
  std::string& place = spec->tokens[id];
  if (!place.empty() && place != text) {
    return node.refuse(fmt::format("id {} for \"{}\" and for \"{}\"", id, place, text),
                       "one token for each id");
  }
  place = std::move(text);
  return {};
}

Result<void> read_vocabulary(const Node& model, std::size_t limit, Spec* spec) {
  const Node vocab = TRY(model.at("vocab"));
  if (!vocab.json.is_object()) return vocab.refuse("an object from token to id");
  for (const auto& [text, id] : vocab.json.items()) {
    if (text.empty()) continue;
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > 0x7FFFFFFF) {
      return vocab.refuse(fmt::format("\"{}\" without a whole number as id", text),
                          "an id of 0 or more");
    }
    TRY(add_token(vocab, text, static_cast<std::int32_t>(id.get<std::uint64_t>()), limit, spec));
  }
  return {};
}

Result<void> read_added_tokens(const Node& root, std::size_t limit, Spec* spec) {
  if (!root.has("added_tokens")) return {};
  const Node list = TRY(root.at("added_tokens"));
  TRY(list.is_array());
  for (std::size_t i = 0; i < list.json.size(); ++i) {
    const Node node = list.element(i);
    AddedToken token;
    token.id = TRY(TRY(node.at("id")).count());
    token.content = TRY(node.text("content"));
    token.special = TRY(node.boolean("special", false));
    token.lstrip = TRY(node.boolean("lstrip", false));
    token.rstrip = TRY(node.boolean("rstrip", false));
    token.single_word = TRY(node.boolean("single_word", false));
    token.normalized = TRY(node.boolean("normalized", !token.special));
    if (token.content.empty()) return node.refuse("a token with \"content\"");
    TRY(add_token(node, token.content, token.id, limit, spec));
    spec->added.push_back(std::move(token));
  }
  return {};
}

using IdMap = std::unordered_map<std::string_view, std::int32_t>;

Result<void> read_merges(const Node& model, const IdMap& ids, Spec* spec) {
  const Node list = TRY(model.at("merges"));
  TRY(list.is_array());
  spec->merges.reserve(list.json.size());
  for (std::size_t i = 0; i < list.json.size(); ++i) {
    const Json& merge = list.json[i];
    std::string_view left, right;
    if (merge.is_string()) {  // "left right"
      const std::string_view line = merge.get_ref<const std::string&>();
      const std::size_t space = line.find(' ');
      if (space != std::string_view::npos) {
        left = line.substr(0, space);
        right = line.substr(space + 1);
      }
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0].get_ref<const std::string&>();
      right = merge[1].get_ref<const std::string&>();
    }
    const auto a = ids.find(left), b = ids.find(right);
    const auto result = ids.find(std::string(left).append(right));
    if (a == ids.end() || b == ids.end() || result == ids.end()) {
      return list.element(i).refuse("two tokens of the vocabulary, which joined are a token too");
    }
    spec->merges.push_back({a->second, b->second, result->second, static_cast<std::uint32_t>(i)});
  }
  return {};
}

Result<void> read_model(const Node& root, Spec* spec) {
  const Node model = TRY(root.at("model"));
  // Files of before 2020 have no type.
  const std::string type = model.has("type") ? TRY(model.text("type")) : std::string("BPE");
  if (type != "BPE") return model.refuse(fmt::format("a model of type \"{}\"", type), "BPE");
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.has(key)) continue;
    const Json& value = model.json[key];
    if (value == "" || value == 0.0) continue;
    return TRY(model.at(key)).refuse("nothing: this option of BPE is not supported");
  }
  const std::size_t added = root.has("added_tokens") ? root.json["added_tokens"].size() : 0;
  const std::size_t vocab = model.has("vocab") ? model.json["vocab"].size() : 0;
  const std::size_t limit = 2 * (vocab + added) + 1024;  // some files leave ids out
  TRY(read_vocabulary(model, limit, spec));
  IdMap ids;
  std::vector<std::string> vocabulary = spec->tokens;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    if (!vocabulary[i].empty()) ids.emplace(vocabulary[i], static_cast<std::int32_t>(i));
  }
  TRY(read_merges(model, ids, spec));
  TRY(read_added_tokens(root, limit, spec));
  spec->fuse_unknown = TRY(model.boolean("fuse_unk", false));
  spec->byte_fallback = TRY(model.boolean("byte_fallback", false));
  spec->ignore_merges = TRY(model.boolean("ignore_merges", false));
  if (model.has("unk_token")) {
    const auto found = ids.find(TRY(model.text("unk_token")));
    if (found == ids.end()) return TRY(model.at("unk_token")).refuse("a token of the vocabulary");
    spec->unknown = found->second;
  }
  return {};
}

Result<std::optional<std::int32_t>> named_token(const Spec& spec,
                                                const std::optional<std::string>& name,
                                                std::string_view where) {
  if (!name) return std::nullopt;
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), *name);
  if (found != spec.tokens.end()) return static_cast<std::int32_t>(found - spec.tokens.begin());
  return fail({.what = "tokenizer_config.json names a token that tokenizer.json lacks",
               .where = std::string(where),
               .got = fmt::format("\"{}\"", *name),
               .wanted = "a token of the vocabulary",
               .remedy = "check that both files come from the same model"});
}

// A string, or an added token written out; null for none.
Result<std::optional<std::string>> token_name(const Node& root, const char* key) {
  if (!root.has(key)) return std::nullopt;
  const Node node = TRY(root.at(key));
  if (node.json.is_object()) return TRY(node.text("content"));
  return TRY(node.text());
}

}  // namespace

Result<Tokenizer> tokenizer_from_json(std::string_view json_text, std::string_view where,
                                      const TokenizerConfig& config) {
  const Json json = TRY(parse(json_text, where));
  const Node root{json, std::string(where)};
  Spec spec;
  TRY(read_model(root, &spec));
  spec.normalizers = TRY(read_steps(root, "normalizer", "normalizers", &read_normalizer));
  spec.pre_tokenizers =
      TRY(read_steps(root, "pre_tokenizer", "pretokenizers", &read_pre_tokenizer));
  spec.decoders = TRY(read_steps(root, "decoder", "decoders", &read_decoder));
  for (const Node& node :
       TRY(read_steps(root, "post_processor", "processors", &read_post_processor))) {
    if (node.json["type"] == "TemplateProcessing") TRY(read_template(node, &spec));
  }
  spec.bos = TRY(named_token(spec, config.bos_token, where));
  spec.eos = TRY(named_token(spec, config.eos_token, where));
  if (!config.bos_token && spec.prefix.size() == 1) spec.bos = spec.prefix[0];
  spec.json = json_text;
  return make_tokenizer(std::move(spec), where);
}

Result<TokenizerConfig> tokenizer_config_from_json(std::string_view json_text,
                                                   std::string_view where) {
  const Json json = TRY(parse(json_text, where));
  const Node root{json, std::string(where)};
  if (!json.is_object()) return root.refuse("an object");
  TokenizerConfig config;
  config.bos_token = TRY(token_name(root, "bos_token"));
  config.eos_token = TRY(token_name(root, "eos_token"));
  if (!root.has("chat_template")) return config;
  const Node chat = TRY(root.at("chat_template"));
  if (!json["chat_template"].is_array()) {
    config.chat_template = TRY(chat.text());
    return config;
  }
  for (std::size_t i = 0; i < chat.json.size(); ++i) {
    const Node named = chat.element(i);
    if (TRY(named.text("name")) == "default") config.chat_template = TRY(named.text("template"));
  }
  return config;
}

}  // namespace farthing
