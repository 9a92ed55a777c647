// tokenizer.json as a whole.
#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/json/stages.h"
#include "text/models/model.h"
#include "text/pipeline/spec.h"

namespace farthing {
namespace {

using namespace tokenizer;  // NOLINT: the parts of a specification

Result<void> read_model(const JsonNode& root, Spec* spec) {
  const JsonNode model = TRY(root.at("model"));
  // Files of before 2020 have no type.
  spec->kind = model.has("type") ? TRY(model.text("type")) : std::string("BPE");
  const ModelKind* kind = find_model_kind(spec->kind);
  if (kind == nullptr) {
    return model.refuse(fmt::format("a model of type \"{}\"", spec->kind), model_kind_names());
  }
  const std::size_t added =
      root.has("added_tokens") ? TRY(root.at("added_tokens")).size() : std::size_t{0};
  const std::size_t vocab = model.has("vocab") ? TRY(model.at("vocab")).size() : std::size_t{0};
  const std::size_t limit = 2 * (vocab + added) + 1024;  // some files leave ids out
  TRY(kind->read(model, limit, spec));
  return read_added_tokens(root, limit, spec);
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

}  // namespace

Result<Tokenizer> tokenizer_from_json(std::string_view json_text, std::string_view where,
                                      const TokenizerConfig& config) {
  const JsonDocument document = TRY(JsonDocument::parse(json_text, where));
  const JsonNode root = document.root();
  Spec spec;
  TRY(read_model(root, &spec));
  spec.normalizers = TRY(read_normalizers(root));
  spec.pre_tokenizers = TRY(read_pre_tokenizers(root));
  spec.decoders = TRY(read_decoders(root));
  TRY(read_post_processors(root, &spec));
  spec.bos = TRY(named_token(spec, config.bos_token, where));
  spec.eos = TRY(named_token(spec, config.eos_token, where));
  if (!config.bos_token && spec.prefix.size() == 1) spec.bos = spec.prefix[0];
  spec.json = json_text;
  return make_tokenizer(std::move(spec), where);
}

std::string tokenizer_to_json(const Tokenizer& tokenizer) {
  const Spec& spec = tokenizer.spec();
  if (!spec.json.empty()) return spec.json;
  return fmt::format(
      "{{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
      "  \"added_tokens\": {},\n  \"normalizer\": {},\n  \"pre_tokenizer\": {},\n"
      "  \"post_processor\": {},\n  \"decoder\": {},\n  \"model\": {}\n}}\n",
      added_tokens_json(spec), normalizers_json(spec.normalizers),
      pre_tokenizers_json(spec.pre_tokenizers), post_processor_json(spec),
      decoders_json(spec.decoders), find_model_kind(spec.kind)->write(spec));
}

}  // namespace farthing
