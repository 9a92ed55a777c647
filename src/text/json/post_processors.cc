// The post-processors of tokenizer.json: what stands before and after a text.
#include <algorithm>

#include "text/json/stages.h"
#include "text/json/steps.h"

namespace farthing::tokenizer {
namespace {

Result<void> read_template(const JsonNode& node, Spec* spec) {
  const JsonNode single = TRY(node.at("single"));
  TRY(single.check_list());
  int sequences = 0;
  std::vector<std::int32_t> before, after;
  for (std::size_t i = 0; i < single.size(); ++i) {
    const JsonNode piece = single.element(i);
    if (piece.has("Sequence")) {
      ++sequences;
      continue;
    }
    const std::string name = TRY(TRY(piece.at("SpecialToken")).text("id"));
    const JsonNode special = TRY(TRY(node.at("special_tokens")).at(name.c_str()));
    const JsonNode ids = TRY(special.at("ids"));
    TRY(ids.check_list());
    for (std::size_t k = 0; k < ids.size(); ++k) {
      (sequences == 0 ? before : after).push_back(TRY(ids.element(k).count()));
    }
  }
  if (sequences != 1) return single.refuse("a template that holds the text once");
  spec->prefix.insert(spec->prefix.begin(), before.begin(), before.end());
  spec->suffix.insert(spec->suffix.end(), after.begin(), after.end());
  return {};
}

// ["[SEP]", 102]
Result<std::int32_t> read_named_id(const JsonNode& node, const char* key) {
  const JsonNode pair = TRY(node.at(key));
  if (!pair.is_list() || pair.size() != 2) return pair.refuse("a token and its id");
  return pair.element(1).count();
}

// BertProcessing and RobertaProcessing: one token before the text, one after it.
Result<void> read_bert(const JsonNode& node, Spec* spec) {
  spec->prefix.insert(spec->prefix.begin(), TRY(read_named_id(node, "cls")));
  spec->suffix.push_back(TRY(read_named_id(node, "sep")));
  return {};
}

}  // namespace

Result<void> read_post_processors(const JsonNode& root, Spec* spec) {
  for (const JsonNode& node : TRY(step_nodes(root, "post_processor", "processors"))) {
    const std::string type = TRY(node.text("type"));
    if (type == "TemplateProcessing") {
      TRY(read_template(node, spec));
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      TRY(read_bert(node, spec));
    } else if (type != "ByteLevel") {  // that one moves offsets only
      return node.refuse(
          fmt::format("a post-processor of type \"{}\"", type),
          "BertProcessing, ByteLevel, RobertaProcessing, TemplateProcessing or Sequence");
    }
  }
  return {};
}

std::string post_processor_json(const Spec& spec) {
  if (spec.prefix.empty() && spec.suffix.empty()) return "null";
  std::vector<std::string> single, special_tokens;
  const auto add = [&](std::int32_t id) {
    const std::string name = quoted(spec.tokens[id]);
    single.push_back(fmt::format(R"({{"SpecialToken": {{"id": {}, "type_id": 0}}}})", name));
    const std::string entry =
        fmt::format(R"({0}: {{"id": {0}, "ids": [{1}], "tokens": [{0}]}})", name, id);
    if (std::find(special_tokens.begin(), special_tokens.end(), entry) == special_tokens.end()) {
      special_tokens.push_back(entry);
    }
  };
  for (const std::int32_t id : spec.prefix) add(id);
  single.push_back(R"({"Sequence": {"id": "A", "type_id": 0}})");
  for (const std::int32_t id : spec.suffix) add(id);
  std::vector<std::string> pair = single;
  pair.push_back(R"({"Sequence": {"id": "B", "type_id": 1}})");
  return fmt::format(
      R"({{"type": "TemplateProcessing", "single": [{}], "pair": [{}], "special_tokens": {{{}}}}})",
      fmt::join(single, ", "), fmt::join(pair, ", "), fmt::join(special_tokens, ", "));
}

}  // namespace farthing::tokenizer
