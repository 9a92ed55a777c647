// The added tokens of tokenizer.json, read and written.
#include "text/json/stages.h"
#include "text/json/steps.h"
#include "text/models/model.h"

namespace farthing::tokenizer {

Result<AddedToken> read_added_token(const JsonNode& node) {
  AddedToken token;
  token.content = TRY(node.text("content"));
  token.special = TRY(node.boolean("special", false));
  token.lstrip = TRY(node.boolean("lstrip", false));
  token.rstrip = TRY(node.boolean("rstrip", false));
  token.single_word = TRY(node.boolean("single_word", false));
  token.normalized = TRY(node.boolean("normalized", !token.special));
  if (token.content.empty()) return node.refuse("a token with \"content\"");
  return token;
}

Result<void> read_added_tokens(const JsonNode& root, std::size_t limit, Spec* spec) {
  if (!root.has("added_tokens")) return {};
  const JsonNode list = TRY(root.at("added_tokens"));
  TRY(list.check_list());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const JsonNode node = list.element(i);
    AddedToken token = TRY(read_added_token(node));
    token.id = TRY(TRY(node.at("id")).count());
    TRY(add_token(node, token.content, token.id, limit, spec));
    spec->added.push_back(std::move(token));
  }
  return {};
}

std::string added_tokens_json(const Spec& spec) {
  std::vector<std::string> added;
  std::vector<AddedToken> tokens = spec.added;
  for (const std::int32_t id : spec.whole)
    tokens.push_back({.id = id, .content = spec.tokens[static_cast<std::size_t>(id)]});
  for (const AddedToken& token : tokens) {
    added.push_back(fmt::format(
        R"({{"id": {}, "content": {}, "single_word": {}, "lstrip": {}, "rstrip": {}, "normalized": {}, "special": {}}})",
        token.id, quoted(token.content), token.single_word, token.lstrip, token.rstrip,
        token.normalized, token.special));
  }
  return fmt::format("[{}]", fmt::join(added, ",\n    "));
}

}  // namespace farthing::tokenizer
